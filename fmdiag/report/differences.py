"""Differences of summary rows between two runs, with 95 % intervals.

Where both runs measured units of the same noises (the same seed) and keep them in a raw table, differences are taken
unit by unit: what the units have in common cancels. That is right whatever the data, for units are independent of each
other and depend only on those of the same number. Otherwise the runs count as independent.

    paired student      Student's t of the unit-wise differences
    paired newcombe     two shares of the same units (Newcombe 1998b, method 10)
    welch               two independent means: standard errors and degrees of freedom from both intervals
    newcombe            two independent shares (Newcombe 1998a, method 10)
    mover               any two intervals, as for medians: the squared distances from value to end add up

Two shares have a two-sided p-value too: McNemar's exact one of the same units, else twice the smaller of Fisher's two.
p-values and what follows from sizes alone (samples needed, what could be resolved) have no differences: they say how
sure each run was, not what it measured.

References
----------
Welch 1947. Newcombe 1998a, Statistics in Medicine 17, 873-890; 1998b, 17, 2635-2650. Zou and Donner 2008, Statistics in
Medicine 27, 1693-1702 ("method of variance estimates recovery").
"""

import numpy as np
import pandas as pd

from fmdiag.results import SUMMARY_COLUMNS
from fmdiag.results.words import OF_THE_TEST
from fmdiag.stats import difference_interval, fisher_p, mcnemar_p, mean_interval, mover, paired_shares, welch

UNITS = ("pair", "sample")
RAW_COLUMN = {"f_mem": "memorized"}   # where the raw column has another name than the quantity
DIGITS = 9


def differences(first, other, raw=(None, None), *, paired=False):
    """Return the rows of `other` minus those of `first`, where both have the same quantity and keys.

    Parameters
    ----------
    first, other : DataFrame
        Summary rows of one diagnostic.
    raw : pair of DataFrame or None
        The diagnostic's raw tables.
    paired : bool
        Whether units with the same number have the same noise in both.

    Returns
    -------
    DataFrame
        Columns diagnostic, quantity, keys, value (the difference), low, high, level, n (units, of the smaller run where
        unpaired), interval (as above, or none), first and other (the two values), p (of two shares, else NaN).
    """
    # A key that one run alone has, such as image sizes measured in one only, cannot tell its rows apart in both.
    keys = [name for name in first if name not in (*SUMMARY_COLUMNS, "caution", "remark") and name in other
            and not (first[name].isna().all() and other[name].isna().all())]
    on = ["diagnostic", "quantity", "interval", *keys]
    first, other = (rows[~rows["quantity"].astype(str).str.contains(OF_THE_TEST)] for rows in (first, other))
    left, right = (rows.assign(**{key: _rounded(rows[key]) for key in keys}).drop_duplicates(on)
                   for rows in (first, other))
    both = left.merge(right, on=on, suffixes=("_first", "_other"))
    if both.empty:
        return both.reindex(columns=[*on, "value", "low", "high", "level", "n", "first", "other", "p"])
    rows = [_difference(row, keys, raw, paired) for row in both.to_dict("records")]
    return pd.DataFrame(rows)[["diagnostic", "quantity", *keys, *SUMMARY_COLUMNS[2:], "first", "other", "p"]]


def _rounded(column):
    return column.round(DIGITS) if column.dtype.kind == "f" else column


def _difference(row, keys, raw, paired):
    units = paired_units(raw, row, keys) if paired else None
    level, p = row["level_first"], np.nan
    if units is not None and row["interval"] in ("student", "bounded"):
        found, kind = mean_interval(units[1] - units[0], level=level), "paired student"
    elif units is not None and row["interval"] == "exact":
        found, kind = paired_shares(*units, level=level), "paired newcombe"
        p = mcnemar_p(*(values.astype(bool) for values in units))
    else:
        found, kind = _independent(row, level)
        p = _shares_p(row) if kind == "newcombe" else p
    n = len(units[0]) if kind.startswith("paired") else min(row["n_first"], row["n_other"])
    return {"diagnostic": row["diagnostic"], "quantity": row["quantity"], **{key: row[key] for key in keys},
            "value": found[0], "low": found[1], "high": found[2], "level": level, "n": n, "interval": kind,
            "first": row["value_first"], "other": row["value_other"], "p": p}


def _counts(row):
    """Return (successes, n) of the other run, then of the first, from rows of shares."""
    return [round(number) for run in ("other", "first")
            for number in (row[f"value_{run}"] * row[f"n_{run}"], row[f"n_{run}"])]


def _shares_p(row):
    k, n, m, null_n = _counts(row)
    return float(min(1.0, 2 * min(fisher_p(k, n, m, null_n), fisher_p(m, null_n, k, n))))


def _independent(row, level):
    first, other = ([row[f"{name}_{run}"] for name in ("value", "low", "high", "n")] for run in ("first", "other"))
    if row["level_first"] == row["level_other"] and np.isfinite([*first, *other]).all():
        if row["interval"] == "exact":
            return difference_interval(*_counts(row), level=level), "newcombe"
        if row["interval"] == "student":
            return welch(first, other, level=level), "welch"
        return mover(first[:3], other[:3]), "mover"
    return (other[0] - first[0], np.nan, np.nan), "none"


def paired_units(raw, row, keys):
    """Return the quantity's values of both runs over the units that both have, or None where it has no raw column.

    Units are numbered by a column pair or sample; of derived quantities, such as a share above a bound, no raw column
    has the name.
    """
    column = RAW_COLUMN.get(row["quantity"], row["quantity"])
    if any(table is None or column not in table for table in raw):
        return None
    unit = next((name for name in UNITS if all(name in table for table in raw)), None)
    used = [key for key in keys if row[key] == row[key]]
    if unit is None or not all(key in table for key in used for table in raw):
        return None
    chosen = []
    for table in raw:
        kept = np.ones(len(table), bool)
        for key in used:
            kept &= (_rounded(table[key]) == row[key]).to_numpy()
        chosen.append(table.loc[kept].set_index(unit)[column].astype(float).dropna())
    if any(len(values) < 2 or values.index.has_duplicates for values in chosen):
        return None
    first, other = chosen[0].align(chosen[1], join="inner")
    # What the summary says of a run must be what its units say, or these are other units (or another quantity).
    whole = len(first) == len(chosen[0]) == len(chosen[1])
    agree = np.allclose([first.mean(), other.mean()], [row["value_first"], row["value_other"]], rtol=1e-6, atol=1e-12)
    return (first.to_numpy(), other.to_numpy()) if whole and agree else None

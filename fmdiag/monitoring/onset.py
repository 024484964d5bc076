"""Onsets along training: tau_gen, when a model is as good as it gets, and tau_mem, when it begins to memorise.

From a table of looks, a row per look and quantity. Each look is a step at which a model was measured.

    tau_mem   the first look at which the test of copies rejects, its p-value corrected for however many looks there
              will be (`fmdiag.stats.looks`). Interval: from the look before it to this one. tau_auc and tau_gap
              likewise of the other tests: the model fits its training examples better than others, though it may copy
              none of them.
    tau_gen   the first look whose test distance is within a tenth of the smallest of all looks, as in `fmdiag study
              time`. Interval: from the look before the earliest that it could be to the latest, the distances being
              anywhere in their intervals.

Both are steps of looks: between two looks nothing is known, and tau_mem is when the test notices, which a test of more
samples does earlier. That a look does not reject is no proof that nothing was memorised by then.

References
----------
T. Bonnaire, R. Urfin, G. Biroli, M. Mézard 2025, arXiv 2505.17638 (tau_gen and tau_mem along training).
"""

import numpy as np
import pandas as pd

from fmdiag.stats import corrected, first_near_smallest, first_rejected, row

NAME = "watch"
COPIES, DISTANCE = "f_mem_excess", "frechet_test"
ONSETS = ["diagnostic", "quantity", "of", "value", "low", "high", "level", "n", "interval", "note", "p"]
TESTS = {"gap": "gap", "f_mem": COPIES, "membership": "auc"}   # measure -> the quantity that it tests


def tests_of(setting):
    """Return the quantities that every look of a `Setting` tests, which share the level: none without held-out rows."""
    if setting.training_set.unseen is None:
        return []
    return [TESTS[name] for name in setting.measures if name in TESTS]


def with_tests(looks):
    """Return the quantities of a table of looks that come with a p-value, in alphabetical order."""
    return sorted(looks.loc[looks["p"].notna(), "quantity"].unique()) if "p" in looks else []


def with_corrected(looks, *, tests=None):
    """Return the table of looks with a column p_corrected; up to .05 the test rejects.

    Parameters
    ----------
    looks : DataFrame
        Columns step, quantity and p at least; the looks at each quantity in the order in which they were made, which
        number them. A row without a p-value spends nothing.
    tests : sequence of str, optional
        Quantities that are tested at every look and share its level; default those with a p-value anywhere in `looks`.
    """
    tests, looks = with_tests(looks) if tests is None else tests, looks.assign(p_corrected=np.nan)
    for test in tests:
        rows = looks["quantity"] == test
        looks.loc[rows, "p_corrected"] = corrected(looks.loc[rows, "p"], n_tests=len(tests))
    return looks


def onsets(looks, *, tests=None, distance=DISTANCE, name=NAME):
    """Return summary rows of tau_mem and its like, one per test, and of tau_gen where the test distance was measured.

    Parameters
    ----------
    looks : DataFrame
        Columns step, quantity, value, low, high and p; see `with_corrected`.
    tests : sequence of str, optional
        As of `with_corrected`.
    distance : str
        The quantity that tau_gen is read from.
    name : str
        What the rows name as diagnostic.

    Returns
    -------
    DataFrame
        Columns diagnostic, quantity (tau_mem of copies, tau_NAME of another test, tau_gen), of (the quantity that it
        was read from), value (step; NaN where it was not reached), low and high (steps; high is infinity where it was
        not reached), level (NaN: no interval of chance), n (looks), interval (``"looks"``), note (where it was not
        reached: until when, else NaN) and p (of a test: the smallest corrected p-value).

    Examples
    --------
    >>> looks = pd.DataFrame({"step": [100, 200, 400], "quantity": "f_mem_excess", "value": [0.0, 0.4, 0.9],
    ...                       "low": np.nan, "high": np.nan, "p": [1.0, 1e-4, 1e-9]})
    >>> onsets(looks)[["quantity", "value", "low", "high"]].values.tolist()
    [['tau_mem', 200.0, 100.0, 200.0]]
    """
    tests = with_tests(looks) if tests is None else tests
    looks = with_corrected(looks, tests=tests).sort_values("step", kind="stable")
    rows = []
    for test in tests:
        chosen = looks[looks["quantity"] == test]
        p, quantity = chosen["p_corrected"], "tau_mem" if test == COPIES else f"tau_{test}"
        rows.append(_row(quantity, test, first_rejected(chosen["step"], p), p.notna().sum(), name) | {"p": p.min()})
    chosen = looks[looks["quantity"] == distance]
    if chosen["value"].notna().any():
        found = first_near_smallest(*(chosen[column] for column in ("step", "value", "low", "high")))
        rows.append(_row("tau_gen", distance, found, chosen["value"].notna().sum(), name))
    return pd.DataFrame(rows, columns=None if rows else ONSETS)


def _row(quantity, of, found, n, name):
    note = np.nan if not np.isnan(found[0]) else f"not by step {found[1]:.0f}" if n else "not tested"
    return row(name, quantity, found, of=of, n=int(n), interval="looks", level=np.nan, note=note)

"""Summary of U-turns: shares that return and keep their class, their difference with an exact test, critical windows.

Members of a pair share their noise and their pool, so that differences are paired: training start minus held-out start.
The simultaneous band and the p-value come from exchanges within pairs, all times exchanged together
(`fmdiag.stats.exchange`): of returns R in 0, 1 the AUC of telling the kinds apart is 1/2 + (share of training starts -
share of held-out starts) / 2.

The critical window of a class begins where 10 % of the starts keep it and ends where 90 % do (Li and Chen); a share is
reached at the time from which on it is never below, found by a straight line between two times, and at t = 1 all shares
are 1. Its limits are the times at which the exact limits of the share reach it: where the share grows with t, they
hold the true time at least as often as their level says. A share that is reached at the first time measured was so at
or before it: the lower limit is then 0.

References
----------
Li and Chen 2024, "Critical windows: non-asymptotic theory for feature emergence in diffusion models", arXiv 2403.01633.
Behjoo and Chertkov 2023, "U-Turn Diffusion", arXiv 2308.07421 (the time up to which a start is returned to).
"""

import numpy as np
import pandas as pd

from fmdiag import stats
from fmdiag.stats import exchange_pairs, mover, paired_shares, proportion_interval, row

NAME = "uturn"
FIELDS = ("model", "closed_form", "wiener")
SOURCES = ("train", "heldout")
WINDOW = (0.1, 0.9)
HALF = 0.5


def summarise(table):
    """Return the summary rows, per field and feature.

    Per source and t: returned and same_class (exact intervals), distance (mean, Student). Per source: return_time (from
    which time on half of the starts return), window_low and window_high (10 and 90 % keep their class). With both
    sources: returned_difference per t (training minus held-out share; "paired", of one time, and "simultaneous", of all
    times together), return_time_difference (held-out minus training: how much longer training examples return), and for
    the model difference_p, the one-sided p-value of the largest difference.
    """
    rows = []
    for (field, feature), part in table.groupby(["field", "feature"], sort=False):
        keys, found = {"field": field, "feature": feature}, {}
        for source, own in part.groupby("source"):
            rows += _of_times(own, **keys, source=source)
            found[source], more = _of_curves(own, **keys, source=source)
            rows += more
        if set(found) == set(SOURCES):
            p, differences = difference_test(table, field=field, feature=feature)
            rows += differences
            longer = mover(found["train"], found["heldout"])
            rows.append(row(NAME, "return_time_difference", longer, n=len(_wide(part, "returned")), interval="mover",
                            **keys))
            if field == "model":
                rows.append(row(NAME, "difference_p", p, n=len(_wide(part, "returned")), interval="exchange", **keys))
    return pd.DataFrame(rows)


def difference_test(table, *, field="model", feature=None):
    """Return (p, rows): whether training starts return more often than held-out ones, at any time.

    Parameters
    ----------
    table : DataFrame
        As `fmdiag.uturn` returns it.
    field : str
        Whose returns; only for a field that could have been made without the training examples is p a p-value.
    feature : str, optional
        Space; default the first of the table.

    Returns
    -------
    p : float
        One-sided, of the largest difference over the times under exchanges within pairs; 1.0 where there are no
        held-out starts.
    rows : list of dict
        Summary rows of quantity returned_difference per time, intervals "paired" and "simultaneous".
    """
    feature = feature or table["feature"].iloc[0]
    part = table[(table["field"] == field) & (table["feature"] == feature)]
    if set(part["source"]) != set(SOURCES):
        return 1.0, []
    wide = _wide(part, "returned")
    train, held_out = (wide[source].to_numpy(float) for source in SOURCES)
    found, keys = exchange_pairs(train, held_out), {"field": field, "feature": feature, "n": len(wide)}
    rows = [row(NAME, "returned_difference", tuple(map(float, paired_shares(held_out[:, k], train[:, k]))), t=t,
                interval="paired", **keys) for k, t in enumerate(wide["train"])]
    rows += [row(NAME, "returned_difference", tuple(2 * float(end) - 1 for end in ends), t=t, interval="simultaneous",
                 **keys) for t, ends in zip(wide["train"], zip(*found.band(), strict=True), strict=True)]
    return found.largest_p(), rows


def _wide(part, column):
    """Return a column as pairs x (source, t)."""
    return part.pivot(index="pair", columns=["source", "t"], values=column).sort_index(axis=1)


def _of_times(own, **keys):
    columns = ["returned", *(["same_class"] if own["same_class"].notna().all() else [])]
    shares = stats.summarise(NAME, own, columns, by=["t"], interval="exact")
    means = stats.summarise(NAME, own, ["distance"], by=["t"])
    return [found | keys for found in pd.concat([shares, means]).to_dict("records")]


def _of_curves(own, **keys):
    """Return (time of return, rows) of one source."""
    n = own["pair"].nunique()
    home = time_reached(own.groupby("t")["returned"].sum(), n, HALF)
    rows = [row(NAME, "return_time", home, n=n, interval="inverted exact", **keys)]
    if own["same_class"].notna().all():
        kept = own.groupby("t")["same_class"].sum()
        rows += [row(NAME, name, time_reached(kept, n, share), n=n, interval="inverted exact", **keys)
                 for name, share in zip(("window_low", "window_high"), WINDOW, strict=True)]
    return home, rows


def time_reached(counts, n, share, *, level=0.95):
    """Return (time, low, high): from which time on a share of n starts is reached.

    Parameters
    ----------
    counts : Series
        Successes, by time.
    n : int
    share : float
        In (0, 1).

    Examples
    --------
    >>> time_reached(pd.Series([0, 100], index=[0.2, 0.6]), 100, 0.5)[0]
    0.4
    """
    times = counts.index.to_numpy(float)
    value, low, high = np.array([proportion_interval(count, n, level=level) for count in counts]).T
    earliest = _reached(times, high, share) if (high < share).any() else 0.0
    return _reached(times, value, share), earliest, _reached(times, low, share)


def _reached(times, curve, share):
    times, curve = np.append(times, 1.0), np.append(curve, 1.0)
    below = np.flatnonzero(curve < share)
    if not below.size:
        return float(times[0])
    k = below[-1]
    return float(times[k] + (share - curve[k]) / (curve[k + 1] - curve[k]) * (times[k + 1] - times[k]))


def reading(summary):
    """Return what the summary says, in sentences; each claim is that of its test."""
    rows = summary[summary["feature"] == summary["feature"].iloc[0]]
    model = rows[rows["field"] == "model"].set_index("quantity")
    if "difference_p" not in model.index:
        return ("There are no held-out starts to compare with: that training examples return says nothing of "
                "memorisation by itself.")
    p = model.loc["difference_p", "value"]
    band = model[model["interval"] == "simultaneous"]
    best, above = band.iloc[int(band["value"].to_numpy().argmax())], band[band["low"] > 0]
    times = model.loc[["return_time"]].set_index("source")
    longer = model.loc["return_time_difference"]
    where = (f"the band for all times lies above 0 at {len(above)} of {len(band)} times, t = {above['t'].min():g} to "
             f"{above['t'].max():g}" if len(above) else "the band for all times holds 0 at each of them")
    more = (f"Training examples return more often than held-out ones (p = {p:.2g}): {where}"
            if p <= 0.05 else f"Training examples are not shown to return more often than held-out ones (p = {p:.2g})")
    return (f"{more}; the largest difference, at t = {best['t']:g}, is {best['value']:.2g} [{best['low']:.2g}, "
            f"{best['high']:.2g}]. Half of the training starts return from t = {times.loc['train', 'value']:.2g} on, "
            f"half of the held-out ones from t = {times.loc['heldout', 'value']:.2g} on: {longer['value']:.2g} "
            f"[{longer['low']:.2g}, {longer['high']:.2g}] later.")

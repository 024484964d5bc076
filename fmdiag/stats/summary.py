"""Summary rows: one value with its interval, and what it belongs to, a row of the table `summary`."""

import numpy as np
import pandas as pd

from fmdiag.stats.bounded import bounded_interval, bounded_intervals
from fmdiag.stats.intervals import mean_interval, median_interval, proportion_interval
from fmdiag.stats.resampling import bootstrap_interval
from fmdiag.stats.roc import newcombe_auc


def exact_interval(values, *, level=0.95):
    """Return (share, low, high) of booleans, Clopper and Pearson's interval."""
    return proportion_interval(np.sum(values), np.size(values), level=level)


INTERVALS = {"student": mean_interval, "bootstrap": bootstrap_interval, "median": median_interval,
             "exact": exact_interval}


def row(diagnostic, quantity, found, *, n, interval="none", level=0.95, **keys):
    """Return a summary row of a value (found : float), or of (value, low, high), that was computed elsewhere."""
    value, low, high = found if isinstance(found, tuple) else (float(found), np.nan, np.nan)
    return {"diagnostic": diagnostic, "quantity": quantity, **keys, "value": value, "low": low, "high": high,
            "level": level, "n": n, "interval": interval}


def summary_row(diagnostic, quantity, values, *, interval="student", within=None, level=0.95, **keys):
    """Return one row of the summary table: mean of `values` with its interval.

    Parameters
    ----------
    diagnostic, quantity : str
        Which diagnostic and which column (or named quantity) the mean is of.
    values : array_like, shape (n,)
        Raw values, one per independent unit; booleans with ``interval="exact"`` for Clopper-Pearson.
    interval : str
        ``"student"``, ``"bootstrap"``, ``"exact"``, or ``"median"`` for the median instead of the mean.
    within : (float, float), optional
        The range that no value can leave, instead of `interval`: the kind then is ``"bounded"``, Gaffke's limits.
    **keys
        What the row belongs to, e.g. ``t=0.5`` or ``source="model"``.
    """
    values = np.asarray(values)
    if within is not None:
        found = bounded_interval(values, within=within, level=level)
        return row(diagnostic, quantity, found, n=values.size, interval="bounded", level=level, **keys)
    return row(diagnostic, quantity, INTERVALS[interval](values, level=level), n=values.size, interval=interval,
               level=level, **keys)


def auc_row(diagnostic, quantity, positive, negative, **keys):
    """Return the row of an AUC with Newcombe's interval."""
    return row(diagnostic, quantity, newcombe_auc(positive, negative), **keys, n=len(positive) + len(negative),
               interval="newcombe")


def summarise(diagnostic, table, columns, *, by, interval="student", within=None, level=0.95):
    """Return the summary rows of several columns of a raw table, grouped by other columns.

    Parameters
    ----------
    table : DataFrame
        Raw rows; within a group they are independent units.
    columns : list of str
        Columns whose means are wanted.
    by : list of str
        Grouping columns, kept as columns of the summary.
    within : dict of str to (float, float) or callable, optional
        Ranges of the columns that have one, or what returns a group's from the group; see `summary_row`.
    """
    within, means = within or {}, []
    for keys, group in table.groupby(by, sort=True, observed=True):
        named = dict(zip(by, keys, strict=True))
        for c in columns:
            known = within.get(c)
            means.append((named, c, np.asarray(group[c]), known(group) if callable(known) else known))
    bounded = [mean for mean in means if mean[-1] is not None]
    limits = iter(bounded_intervals([mean[2] for mean in bounded], [mean[3] for mean in bounded], level=level))
    return pd.DataFrame([
        summary_row(diagnostic, c, values, interval=interval, level=level, **named) if known is None else
        row(diagnostic, c, next(limits), n=values.size, interval="bounded", level=level, **named)
        for named, c, values, known in means])

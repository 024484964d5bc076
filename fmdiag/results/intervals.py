"""Within what limits does a summary value lie? 95 % intervals of means, medians and rates, and tidy summary rows."""

import numpy as np
import pandas as pd
from scipy import stats


def mean_interval(values, *, level=0.95):
    """Return (mean, low, high): Student's t interval of the mean of independent values.

    Parameters
    ----------
    values : array_like, shape (n,)
        Independent observations; NaN is dropped.
    level : float
        Coverage in (0, 1).
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    mean = values.mean() if values.size else np.nan
    if values.size < 2:
        return mean, np.nan, np.nan
    half = stats.t.ppf((1 + level) / 2, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return mean, mean - half, mean + half


def proportion_interval(successes, n, *, level=0.95):
    """Return (share, low, high): the exact interval of Clopper and Pearson (1934), never empty at 0 or n successes."""
    if n == 0:
        return np.nan, np.nan, np.nan
    low, high = stats.binomtest(int(successes), int(n)).proportion_ci(level, method="exact")
    return successes / n, low, high


def bootstrap_interval(values, *, level=0.95, n_resamples=1000, seed=0):
    """Return (mean, low, high): the percentile bootstrap over observations; its width is 0 when all values agree."""
    values = np.asarray(values, dtype=float)
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, values.size).mean() for _ in range(n_resamples)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return values.mean(), low, high


def median_interval(values, *, level=0.95):
    """Return (median, low, high): the order statistics whose binomial coverage is at least `level`; NaN if n is small.

    The chance that the median lies below the r-th smallest value is at most P[Binomial(n, 1/2) < r].
    """
    values = np.sort(np.asarray(values, dtype=float))
    rank = int(stats.binom.ppf((1 - level) / 2, values.size, 0.5))
    if rank < 1:
        return np.median(values), np.nan, np.nan
    return np.median(values), values[rank - 1], values[values.size - rank]


def difference_interval(successes, n, null_successes, null_n, *, level=0.95):
    """Return (difference, low, high) of two independent shares: successes / n - null_successes / null_n.

    References
    ----------
    Newcombe 1998, "Interval estimation for the difference between independent proportions", Statistics in Medicine 17,
    method 10: the two score intervals of Wilson, combined; its coverage stays near nominal at shares of 0 and 1.
    """
    share, null = successes / n, null_successes / null_n
    score = [stats.binomtest(int(k), int(m)).proportion_ci(level, method="wilson")
             for k, m in ((successes, n), (null_successes, null_n))]
    low = np.hypot(share - score[0].low, score[1].high - null)
    high = np.hypot(score[0].high - share, null - score[1].low)
    return share - null, share - null - low, share - null + high


INTERVALS = {"student": mean_interval, "bootstrap": bootstrap_interval, "median": median_interval}


def summary_row(diagnostic, quantity, values, *, interval="student", level=0.95, **keys):
    """Return one row of the summary table: mean of `values` with its interval.

    Parameters
    ----------
    diagnostic, quantity : str
        Which diagnostic and which column (or named quantity) the mean is of.
    values : array_like, shape (n,)
        Raw values, one per independent unit; booleans with ``interval="exact"`` for Clopper-Pearson.
    interval : str
        ``"student"``, ``"bootstrap"``, ``"exact"``, or ``"median"`` for the median instead of the mean.
    **keys
        What the row belongs to, e.g. ``t=0.5`` or ``source="model"``.
    """
    values = np.asarray(values)
    if interval == "exact":
        value, low, high = proportion_interval(values.sum(), values.size, level=level)
    else:
        value, low, high = INTERVALS[interval](values, level=level)
    return {"diagnostic": diagnostic, "quantity": quantity, **keys, "value": value, "low": low, "high": high,
            "level": level, "n": values.size, "interval": interval}


def summarise(diagnostic, table, columns, *, by, interval="student", level=0.95):
    """Return the summary rows of several columns of a raw table, grouped by other columns.

    Parameters
    ----------
    table : DataFrame
        Raw rows; within a group they are independent units.
    columns : list of str
        Columns whose means are wanted.
    by : list of str
        Grouping columns, kept as columns of the summary.
    """
    rows = []
    for keys, group in table.groupby(by, sort=True, observed=True):
        named = dict(zip(by, keys, strict=True))
        rows += [summary_row(diagnostic, c, group[c], interval=interval, level=level, **named) for c in columns]
    return pd.DataFrame(rows)

"""Confidence intervals of means, quantiles and shares, each returned as (value, low, high)."""

import numpy as np
from scipy import special, stats


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
    half = special.stdtrit(values.size - 1, (1 + level) / 2) * values.std(ddof=1) / np.sqrt(values.size)
    return mean, mean - half, mean + half


def quantile_interval(values, q, *, level=0.95):
    """Return (quantile, low, high): order statistics whose binomial coverage is at least `level`; NaN where n is small.

    The quantile is one of the values too, the least with a share of at least q of them at or below it.
    """
    values = np.asarray(values, dtype=float)
    found = stats.quantile_test(values, q=0, p=q).confidence_interval(level)
    return np.quantile(values, q, method="inverted_cdf"), found.low, found.high


def median_interval(values, *, level=0.95):
    """Return (median, low, high): the usual median, with the limits of `quantile_interval`."""
    return np.median(values), *quantile_interval(values, 0.5, level=level)[1:]


def proportion_interval(successes, n, *, level=0.95):
    """Return (share, low, high): the exact interval of Clopper and Pearson (1934), never empty at 0 or n successes."""
    if n == 0:
        return np.nan, np.nan, np.nan
    k, tail = int(successes), (1 - level) / 2
    low = float(special.betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(special.betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return successes / n, low, high


def wilson_interval(successes, n, *, level=0.95):
    """Return (share, low, high): the score interval of Wilson (1927); arrays are taken elementwise."""
    share, z2 = np.true_divide(successes, n), stats.norm.ppf((1 + level) / 2) ** 2
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 / n * (share * (1 - share) + z2 / (4 * n))) / (1 + z2 / n)
    # At shares of 0 and 1 the limits are exact, which rounding would miss.
    return share, np.where(share == 0, 0.0, center - half), np.where(share == 1, 1.0, center + half)


def effective_size(values, clusters, *, level=0.95):
    """Return n*, as many independent values as the share p of n clustered ones is worth; a float of at most n.

    Korn and Graubard 1998, Survey Methodology 24, 193-201: n* = n / (n - 1) p (1 - p) / v times
    (t_{n-1} / t_{k-1})², with

        v = k / (k - 1) sum_c (s_c - p n_c)² / n²

    the variance of p over k clusters of n_c values with sum s_c; n* = n where no two share a cluster. Where all values
    agree there is no variance to go by, and n* is the number of clusters.

    Parameters
    ----------
    values : array_like, shape (n,)
        In [0, 1] per sample.
    clusters : array_like, shape (n,)
        What each sample belongs to, e.g. its nearest training example.
    """
    values = np.asarray(values, dtype=float)
    n, share = values.size, values.mean()
    _, index = np.unique(clusters, return_inverse=True)
    sums = np.bincount(index, weights=values - share)
    k = sums.size
    variance = k / max(k - 1, 1) * np.square(sums).sum() / n**2
    if k < 2 or not variance > 0:
        return float(k)
    wider = (special.stdtrit(n - 1, (1 + level) / 2) / special.stdtrit(k - 1, (1 + level) / 2)) ** 2
    return min(float(n), n / (n - 1) * share * (1 - share) / variance * wider)


def clustered_share(values, clusters, *, level=0.95):
    """Return (share, low, high): the exact interval at the effective number of independent samples.

    The limits of Clopper and Pearson with n* of `effective_size` values (Korn and Graubard 1998).

    Parameters
    ----------
    values : array_like, shape (n,)
        In [0, 1] per sample.
    clusters : array_like of int, shape (n,)
        What each sample belongs to, e.g. its nearest row.
    """
    share, effective = np.mean(values, dtype=float), effective_size(values, clusters, level=level)
    x, tail = share * effective, (1 - level) / 2
    low = stats.beta.ppf(tail, x, effective - x + 1) if share > 0 else 0.0
    high = stats.beta.ppf(1 - tail, x + 1, effective - x) if share < 1 else 1.0
    return share, float(low), float(high)

"""Intervals within a known range: of means of bounded values, of shares with an error, of clustered quantiles.

Student's interval of values that are nearly all at one end of their range misses the mean more often than not, and a
standard error of 0 makes an interval of no width. These limits are exact for zeros and ones, and stay in the range.
"""

from functools import lru_cache

import numpy as np
from scipy import stats

from fmdiag.stats.intervals import effective_size

DRAWS = 4000
ENTRIES = 1 << 20


def bounded_interval(values, *, within=(0.0, 1.0), level=0.95, n_draws=DRAWS, seed=0):
    """Return (mean, low, high): Gaffke's limits of the mean of independent values in a known range.

    The upper limit is the quantile (1 + level) / 2 of the mean of the n values and the range's upper end under random
    weights, uniform on the simplex; the lower limit likewise with the lower end. Of zeros and ones these are the limits
    of Clopper and Pearson, but for the error of 4000 draws. Values that are nearly all at one end, where Student's
    interval misses the mean more often than not, are held; of values in the middle the width approaches Student's as n
    grows. No distribution is known for which the limits miss more often than their level says; there is no proof.

    Parameters
    ----------
    values : array_like, shape (n,)
        Independent observations; NaN is dropped.
    within : (float, float)
        The range that no value can leave; an upper end of infinity gives an upper limit of infinity.
    level : float
        Coverage in (0, 1).
    n_draws, seed : int
        Random weights, and where they start.

    References
    ----------
    N. Gaffke 2005, "Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
    variable", Mathematical Methods of Statistics 14, 451-467. E. Learned-Miller and P. Thomas 2019, "A new confidence
    interval for the mean of a bounded random variable", arXiv 1905.06208.
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    mean = values.mean() if values.size else np.nan
    if values.size < 2:
        return mean, np.nan, np.nan
    tails, ends = ((1 - level) / 2, (1 + level) / 2), []
    sums, last, total = np.empty((3, n_draws))
    known, start = n_draws * values.size <= ENTRIES, 0
    for weights, their_sum in (_kept_weights if known else _weights)(values.size, n_draws, seed):
        part = slice(start, start := start + len(weights))
        sums[part], last[part], total[part] = weights[:, :-1] @ values, weights[:, -1], their_sum
    for end, tail in zip(within, tails, strict=True):
        ends.append(float(np.quantile((sums + last * end) / total, tail)) if np.isfinite(end) else end)
    return mean, *ends


def _weights(n, n_draws, seed):
    """Yield blocks of rows of n + 1 random weights, n_draws rows in all, and the sums by which they are not divided."""
    rng, step = np.random.default_rng(seed), max(1, ENTRIES // n)
    for start in range(0, n_draws, step):
        weights = rng.standard_exponential((min(step, n_draws - start), n + 1))
        yield weights, weights.sum(1)


@lru_cache(maxsize=2)
def _kept_weights(*asked):
    """Return the blocks of `_weights`: a summary asks for those of one number of values at every time and column."""
    return tuple(_weights(*asked))


def share_interval(share, error, n, *, freedom, level=0.95):
    """Return (share, low, high) of a share of n units with a standard error of its own: `clustered_share`'s limits.

    Parameters
    ----------
    share, error : float
        In [0, 1]; its standard error, 0 where it could not vary, as at 0 and 1: there n is the number of units.
    n : int
    freedom : int
        Degrees of freedom of the standard error.
    """
    effective = float(n)
    if error > 0 and 0 < share < 1:
        wider = (stats.t.ppf((1 + level) / 2, n - 1) / stats.t.ppf((1 + level) / 2, freedom)) ** 2
        effective = min(effective, share * (1 - share) / error**2 * wider)
    return share, *_beta_limits(share, effective, level)


def clustered_quantile(values, q, clusters, *, level=0.95):
    """Return (quantile, low, high): `quantile_interval` at the effective number of independent samples.

    Woodruff 1952, Journal of the American Statistical Association 47, 635-646: the limits of the share q of values at
    or below the quantile, each taken as a quantile. NaN where the effective number is too small for either.
    """
    values = np.asarray(values, dtype=float)
    value, tail = np.quantile(values, q, method="inverted_cdf"), (1 - level) / 2
    n = effective_size(values <= value, clusters, level=level)
    if np.isnan(values).any() or max(q, 1 - q) ** n > tail:
        return value, np.nan, np.nan
    low, high = _beta_limits(q, n, level)
    ordered = np.sort(values)
    places = max(int(np.ceil(values.size * low)) - 1, 0), min(int(np.floor(values.size * high)), values.size - 1)
    return value, *ordered[list(places)]


def _beta_limits(share, n, level):
    """Return the limits of Clopper and Pearson of a share of n, which need be no whole number."""
    x, tail = share * n, (1 - level) / 2
    low = stats.beta.ppf(tail, x, n - x + 1) if share > 0 else 0.0
    high = stats.beta.ppf(1 - tail, x + 1, n - x) if share < 1 else 1.0
    return float(low), float(high)

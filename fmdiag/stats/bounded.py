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
AT_ONCE = 64    # arrays that share a product


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
    return bounded_intervals([values], [within], level=level, n_draws=n_draws, seed=seed)[0]


def bounded_intervals(columns, within, *, level=0.95, n_draws=DRAWS, seed=0):
    """Return the limits of `bounded_interval` of several arrays, each within its own range: a list of triples.

    Arrays of equally many values share the random weights, which are drawn and multiplied once for all of them.
    """
    columns = [np.asarray(values, dtype=float) for values in columns]
    columns = [values[~np.isnan(values)] for values in columns]
    found = [(values.mean() if values.size else np.nan, np.nan, np.nan) for values in columns]
    sizes = np.array([values.size for values in columns], dtype=int)
    for size in np.unique(sizes[sizes > 1]):
        alike = np.flatnonzero(sizes == size)
        for places in np.array_split(alike, -(-len(alike) // AT_ONCE)):
            limits = _limits(np.stack([columns[k] for k in places]), np.array([within[k] for k in places], dtype=float),
                             level, n_draws, seed)
            for k, ends in zip(places, limits.tolist(), strict=True):
                found[k] = found[k][0], *ends
    return found


def _limits(values, within, level, n_draws, seed):
    """Return the limits of the means of arrays of equally many values, shape (k, n), within (k, 2): shape (k, 2)."""
    k, n = values.shape
    sums, last, total, start = np.empty((k, n_draws)), np.empty(n_draws), np.empty(n_draws), 0
    for weights, their_sum in (_kept_weights if n_draws * n <= ENTRIES else _weights)(n, n_draws, seed):
        part = slice(start, start := start + len(weights))
        sums[:, part], last[part], total[part] = values @ weights[:, :-1].T, weights[:, -1], their_sum
    limits = within.copy()
    for end, tail in enumerate(((1 - level) / 2, (1 + level) / 2)):
        held = np.isfinite(within[:, end])
        means = (sums[held] + last * within[held, end, None]) / total
        limits[held, end] = np.quantile(means, tail, axis=1, overwrite_input=True)
    return limits


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

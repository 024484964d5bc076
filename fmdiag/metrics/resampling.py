"""How uncertain is a number that was computed from finite samples?

Two estimators of the standard error, because one bootstrap does not fit all:

- `cluster_bootstrap` for means of values per sample. Samples that share their nearest training row stand or fall
  together: had that row not been in the training set, all of them would differ. So training rows are drawn with
  replacement, each with its samples. Where no two samples share a row, it is the bootstrap over samples.
- `jackknife` for nonlinear functions of whole sets (Fréchet distance, manifolds). Drawing with replacement would repeat
  rows, which shrinks neighbour distances to 0 and adds the finite-sample bias of a Fréchet distance a second time;
  leaving out one of g groups at a time does neither:

      var = sum over sets of (g-1)/g sum_h (theta_(h) - mean theta_(h))²,   interval theta ± t_{g-1} sqrt(var)

  It is an interval of the *expected value at this sample size*, bias included; its variance is rather too large than
  too small in expectation (Efron and Stein). `corrected` = theta - sum of (g-1)(mean theta_(h) - theta) has no bias
  of order 1/n, which extrapolates to infinitely many rows.

References
----------
Efron & Stein 1981, The jackknife estimate of variance. Shao & Wu 1989, A general theory for jackknife variance
estimation (groups; functions that are not smooth). Field & Welsh 2007, Bootstrapping clustered data.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from fmdiag.results import proportion_interval

GROUPS = 20
RESAMPLES = 1000
ENTRIES = 1 << 22


@dataclass(frozen=True)
class Estimate:
    """Values with their standard errors, each an ndarray of shape (k,), and the degrees of freedom of the latter."""

    value: np.ndarray
    error: np.ndarray
    corrected: np.ndarray
    freedom: int

    def interval(self, level=0.95, *, corrected=False):
        """Return (value, low, high), each of shape (k,): Student's t interval."""
        center = self.corrected if corrected else self.value
        half = stats.t.ppf((1 + level) / 2, self.freedom) * self.error
        return center, center - half, center + half


def group_labels(n, n_groups, rng):
    """Return a random label in [0, g) per row, int64, shape (n,), groups of equal size but for one; g = min(n, …)."""
    return rng.permutation(np.arange(n) % min(n, n_groups))


def jackknife(statistic, sets, *, rng, n_groups=GROUPS):
    """Return the Estimate of `statistic(*sets)` with one group of one set left out at a time.

    Parameters
    ----------
    statistic : callable
        Arrays like `sets` -> float or array of shape (k,).
    sets : list of ndarray, shape (n, dim)
        Independent samples, each of at least two rows.
    """
    value = np.atleast_1d(np.asarray(statistic(*sets), dtype=float))
    left_out = []
    for place, rows in enumerate(sets):
        labels = group_labels(len(rows), n_groups, rng)
        left_out.append([statistic(*sets[:place], rows[labels != h], *sets[place + 1:])
                         for h in range(labels.max() + 1)])
    return from_left_out(value, left_out)


def from_left_out(value, left_out):
    """Return the Estimate from the values with each group left out: per set a sequence over groups of shape (k,)."""
    value = np.atleast_1d(np.asarray(value, dtype=float))
    variance, bias = np.zeros_like(value), np.zeros_like(value)
    for values in left_out:
        theta = np.asarray(values, dtype=float).reshape(len(values), -1)
        g = len(theta)
        variance += (g - 1) / g * np.square(theta - theta.mean(0)).sum(0)
        bias += (g - 1) * (theta.mean(0) - value)
    return Estimate(value, np.sqrt(variance), value - bias, min(map(len, left_out)) - 1)


def cluster_bootstrap(values, clusters, *, rng, level=0.95, n_resamples=RESAMPLES):
    """Return (mean, low, high, kind): the percentile bootstrap that draws whole clusters.

    Parameters
    ----------
    values : array_like, shape (n,)
        Per sample; where all agree a bootstrap would have width 0, and the kind says what stands in its place:
        "exact" (Clopper-Pearson) for booleans, none for other values.
    clusters : array_like of int, shape (n,)
        What each sample belongs to, e.g. its nearest training row.

    Returns
    -------
    kind : str
        ``"cluster_bootstrap"``, ``"exact"`` or ``"none"``.
    """
    values = np.asarray(values)
    mean = values.mean()
    if (values == values[0]).all():
        if values.dtype == bool:
            return *proportion_interval(values.sum(), values.size, level=level), "exact"
        return mean, np.nan, np.nan, "none"
    _, index, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    sums = np.bincount(index, weights=values.astype(float))
    if len(counts) < 2:
        return mean, np.nan, np.nan, "none"
    chances, means = np.full(len(counts), 1 / len(counts)), []
    per_pass = max(1, ENTRIES // len(counts))
    for start in range(0, n_resamples, per_pass):
        weights = rng.multinomial(len(counts), chances, size=min(per_pass, n_resamples - start))
        means.append(weights @ sums / (weights @ counts))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return mean, low, high, "cluster_bootstrap"


def clustered_share(values, clusters, *, level=0.95):
    """Return (share, low, high): the exact interval at the effective number of independent samples.

    Korn and Graubard 1998, Survey Methodology 24, 193-201: n* = p (1 - p) / v with v the variance of the share over
    clusters, times (t_{n-1} / t_{k-1})² for k clusters, then the limits of Clopper and Pearson. Where all agree there
    is no variance to go by, and n* is the number of clusters.

    Parameters
    ----------
    values : array_like, shape (n,)
        In [0, 1] per sample.
    clusters : array_like of int, shape (n,)
        What each sample belongs to, e.g. its nearest row.
    """
    values = np.asarray(values, dtype=float)
    n, share = values.size, values.mean()
    _, index = np.unique(clusters, return_inverse=True)
    sums = np.bincount(index, weights=values - share)
    k, effective = sums.size, float(sums.size)
    variance = k / max(k - 1, 1) * np.square(sums).sum() / n**2
    if variance > 0:
        wider = (stats.t.ppf((1 + level) / 2, n - 1) / stats.t.ppf((1 + level) / 2, k - 1)) ** 2
        effective = min(float(n), share * (1 - share) / variance * wider)
    x, tail = share * effective, (1 - level) / 2
    low = stats.beta.ppf(tail, x, effective - x + 1) if share > 0 else 0.0
    high = stats.beta.ppf(1 - tail, x + 1, effective - x) if share < 1 else 1.0
    return share, float(low), float(high)


def quantile_interval(values, q, *, level=0.95):
    """Return (quantile, low, high): order statistics whose binomial coverage is at least `level`; NaN where n is small.

    At least r values lie below the q-quantile unless Binomial(n, q) < r.
    """
    values = np.sort(np.asarray(values, dtype=float))
    n = values.size
    lower = int(stats.binom.ppf((1 - level) / 2, n, q))
    upper = int(stats.binom.ppf((1 + level) / 2, n, q))
    low = values[lower - 1] if lower >= 1 else np.nan
    high = values[upper] if upper < n else np.nan
    return np.quantile(values, q, method="inverted_cdf"), low, high

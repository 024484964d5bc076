"""Bootstrap and jackknife: standard errors and intervals of numbers that were computed from finite samples.

- `bootstrap_interval` for means of independent values.
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

from fmdiag.stats.intervals import proportion_interval

GROUPS = 20
RESAMPLES = 1000
ENTRIES = 1 << 22


@dataclass(frozen=True)
class Estimate:
    """Values with their standard errors, each a float or of shape (k,), and the degrees of freedom of the latter."""

    value: np.ndarray
    error: np.ndarray
    corrected: np.ndarray
    freedom: int

    def interval(self, level=0.95, *, corrected=False):
        """Return (value, low, high), each like the value: Student's t interval."""
        center = self.corrected if corrected else self.value
        half = stats.t.ppf((1 + level) / 2, self.freedom) * self.error
        return center, center - half, center + half

    def larger_p(self):
        """Return the one-sided p-value of "the corrected value is above 0", by Student's t."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return stats.t.sf(self.corrected / self.error, self.freedom)


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
    left_out = []
    for place, rows in enumerate(sets):
        labels = group_labels(len(rows), n_groups, rng)
        left_out.append([statistic(*sets[:place], rows[labels != h], *sets[place + 1:])
                         for h in range(labels.max() + 1)])
    return from_left_out(statistic(*sets), left_out)


def from_left_out(value, left_out):
    """Return the Estimate from the values with each group left out: per set a sequence over groups."""
    variance = bias = 0.0
    for values in left_out:
        theta, g = np.asarray(values, dtype=float), len(values)
        variance += (g - 1) / g * np.square(theta - theta.mean(0)).sum(0)
        bias += (g - 1) * (theta.mean(0) - value)
    return Estimate(value, np.sqrt(variance), value - bias, min(map(len, left_out)) - 1)


def percentiles(resampled, level):
    """Return (low, high): the limits that hold the middle share `level` of resampled values, shape (k,)."""
    return tuple(np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2]))


def bootstrap_interval(values, *, level=0.95, n_resamples=RESAMPLES, seed=0):
    """Return (mean, low, high): the percentile bootstrap over observations; exact limits where all booleans agree.

    There every resample is the sample, and the bootstrap's interval has no width, as it has of other equal values.
    """
    values = np.asarray(values)
    if values.dtype == bool and (values == values[0]).all():
        return proportion_interval(values.sum(), values.size, level=level)
    values = values.astype(float)
    rng = np.random.default_rng(seed)
    return values.mean(), *percentiles([rng.choice(values, values.size).mean() for _ in range(n_resamples)], level)


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
    return mean, *percentiles(np.concatenate(means), level), "cluster_bootstrap"

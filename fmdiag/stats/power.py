"""Power of the rule that finds an excess of one share over another, and the sizes and excesses that follow from it.

    found   where Newcombe's interval of the difference lies above 0 and Fisher's one-sided p-value is at most 1 - level
    power = sum over j of P[Binomial(null_n, null) = j] P[Binomial(n, null + excess) >= c_j]

c_j: the least count of the first group with which the rule holds beside j successes of the second; it holds from there
on. The second factor falls in j, so that the sum over j may be taken at the middles of 100 slices of equal probability:
that changes the power by at most 1/200.
"""

import numpy as np
from scipy import optimize, stats

from fmdiag.errors import FmdiagError
from fmdiag.stats.differences import difference_interval
from fmdiag.stats.shares import fisher_p

LEVEL, POWER = 0.95, 0.9
SLICES = 100
PRECISION = 200     # sizes are searched to one part in so many


def power_to_find(excess, null, n, null_n, *, level=LEVEL):
    """Return the probability that the rule finds an excess over a null share, from n samples and null_n of the null.

    Parameters
    ----------
    excess, null : float
        The samples' share is null + excess, at most 1.
    n, null_n : int
        Sizes of the two groups.
    level : float
        Coverage of the interval; the one-sided test has error 1 - level.
    """
    counts, weights = _least_counts(null, n, null_n, level)
    return float(weights @ stats.binom.sf(counts - 1, n, min(null + excess, 1.0)))


def resolvable_excess(null, n, null_n, *, level=LEVEL, power=POWER):
    """Return the least excess over a null share that n samples and null_n of the null find so often; NaN if none."""
    counts, weights = _least_counts(null, n, null_n, level)

    def missing(excess):
        return weights @ stats.binom.sf(counts - 1, n, min(null + excess, 1.0)) - power

    return optimize.brentq(missing, 0.0, 1 - null) if missing(1 - null) > 0 else np.nan


def samples_needed(excess, null, *, level=LEVEL, power=POWER):
    """Return how many samples, and as many held-out rows, find an excess over the null share, to half a percent.

    Parameters
    ----------
    excess, null : float
        The share to be found is null + excess, at most 1.
    level, power : float
        As in `power_to_find`; the excess is found with probability `power`.
    """
    if not 0 <= null < null + excess <= 1:
        raise FmdiagError(f"an excess must be positive and null + excess at most 1, got null {null:g} and excess "
                          f"{excess:g}")
    few, enough = 1, 2
    while power_to_find(excess, null, enough, enough, level=level) < power:
        few, enough = enough, 2 * enough
    while enough - few > max(1, enough // PRECISION):
        middle = (few + enough) // 2
        found = power_to_find(excess, null, middle, middle, level=level) >= power
        few, enough = (few, middle) if found else (middle, enough)
    return enough


def _least_counts(null, n, null_n, level):
    """Return (c_j, weights), shape (k,), of the null counts j; c_j = n + 1 where no count is enough."""
    found = stats.binom.ppf((np.arange(SLICES) + 0.5) / SLICES, null_n, null).astype(int)
    j, repeats = np.unique(found, return_counts=True)

    def apart(i):
        return difference_interval(i, n, j, null_n, level=level)[1] > 0

    def rare(i):
        return fisher_p(i, n, j, null_n) <= 1 - level

    low, high = _bisect(apart, np.zeros_like(j), np.full_like(j, n + 1))
    # Fisher's p-values cost more, and few more counts are asked for by them: doubling steps from there.
    step = 1
    while (asked := (high <= n) & ~rare(np.minimum(high, n))).any():
        low, high, step = np.where(asked, high, low), np.where(asked, np.minimum(high + step, n + 1), high), 2 * step
    return _bisect(rare, low, high)[1], repeats / SLICES


def _bisect(holds, low, high):
    """Return (last without, first with): integers, where `holds` is false at low and true at high, and rises."""
    while (high - low > 1).any():
        middle = (low + high) // 2
        true = holds(middle)
        low, high = np.where(true, low, middle), np.where(true, middle, high)
    return low, high


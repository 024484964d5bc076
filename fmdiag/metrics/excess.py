"""Is a share larger than its null, how sure is that after many comparisons, and how many samples would settle it?

One-sided exact test of Fisher for two shares; Holm's correction for several of them; sample sizes for a power:

    n = (z_a sqrt(2 p q) + z_b sqrt(p1 q1 + p0 q0))² / (p1 - p0)²,  p = (p1 + p0)/2,  q = 1 - p
    n' = n/4 (1 + sqrt(1 + 4 / (n |p1 - p0|)))²                       in each group, which is what Fisher's test needs

References
----------
Fisher 1935; Holm 1979, A simple sequentially rejective multiple test procedure; Fleiss, Tytun, Ury 1980 (sample size
with continuity correction, which approximates that of the exact test).
"""

import numpy as np
from scipy import optimize, stats

from fmdiag.errors import FmdiagError

LEVEL, POWER = 0.95, 0.9


def excess_p_value(successes, n, null_successes, null_n):
    """Return the one-sided p-value of "the share of the first group is larger", Fisher's exact test.

    Examples
    --------
    >>> excess_p_value(3, 3, 0, 3).round(6)            # one of the 20 ways to place 3 successes among 6
    np.float64(0.05)
    """
    table = [[successes, n - successes], [null_successes, null_n - null_successes]]
    return stats.fisher_exact(table, alternative="greater").pvalue


def holm(p_values):
    """Return Holm's adjusted p-values, in the order given: those below alpha are rejected with family-wise error alpha.

    Valid whatever the dependence of the tests.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()        # 3 * 0.01, 2 * 0.03, and not less than the one before
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * np.arange(p_values.size, 0, -1))
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def samples_needed(excess, null, *, level=LEVEL, power=POWER):
    """Return how many samples, and as many held-out rows, find an excess over the null share with the given power.

    Parameters
    ----------
    excess, null : float
        The share to be found is null + excess, at most 1.
    level, power : float
        The one-sided test has error 1 - level; it finds the excess with probability `power`.
    """
    share = null + excess
    if not 0 <= null < share <= 1:
        raise FmdiagError(f"an excess must be positive and null + excess at most 1, got null {null:g} and excess "
                          f"{excess:g}")
    middle = (share + null) / 2
    z_level, z_power = stats.norm.ppf(level), stats.norm.ppf(power)
    root = (z_level * np.sqrt(2 * middle * (1 - middle))
            + z_power * np.sqrt(share * (1 - share) + null * (1 - null)))
    n = (root / excess) ** 2
    return int(np.ceil(n / 4 * (1 + np.sqrt(1 + 4 / (n * excess))) ** 2))


def resolvable_excess(null, n, null_n, *, level=LEVEL, power=POWER):
    """Return the least excess over the null share that groups of n and null_n find with the given power; NaN if none.

    Unequal groups count as two of their harmonic mean.
    """
    size = 2 / (1 / n + 1 / null_n)
    if null >= 1:       # every held-out row looks like a copy: nothing exceeds that
        return np.nan
    if samples_needed(1 - null, null, level=level, power=power) > size:
        return np.nan
    return optimize.brentq(lambda excess: samples_needed(excess, null, level=level, power=power) - size - 0.5,
                           1e-7, 1 - null)

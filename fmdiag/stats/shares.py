"""Tests of shares: Fisher's exact test of two, McNemar's of two of the same units, Holm's correction of several tests.

References
----------
Fisher 1935; McNemar 1947; Holm 1979, A simple sequentially rejective multiple test procedure.
"""

import numpy as np
from scipy import stats


def fisher_p(successes, n, null_successes, null_n):
    """Return the one-sided p-value of "the share of the first group is larger", Fisher's exact test; elementwise.

    Examples
    --------
    >>> round(float(fisher_p(3, 3, 0, 3)), 6)    # one of the 20 ways to place 3 successes among 6
    0.05
    """
    return stats.hypergeom.sf(successes - 1, n + null_n, successes + null_successes, n)


def mcnemar_p(a, b):
    """Return the two-sided p-value of McNemar's exact test of two shares of the same units; 1 where none differs.

    Parameters
    ----------
    a, b : array_like of bool, shape (n,)
        Successes of either kind, unit by unit.
    """
    one, other = int((a & ~b).sum()), int((b & ~a).sum())
    return float(stats.binomtest(one, one + other).pvalue) if one + other else 1.0


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

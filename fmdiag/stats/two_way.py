"""Two-way clustered interval of a mean: values that share either of two things, such as their nearest rows in two sets.

    var = V_a + V_b - V_ab,    V_c = k_c / (k_c - 1) sum over clusters (sum of deviations)² / n²

with the variance over clusters of the first kind, of the second, and of both; at least the larger of V_a and V_b, which
it falls below by chance. Student's t with as many degrees of freedom as the smaller number of clusters less one.

References
----------
Cameron, Gelbach and Miller 2011, "Robust inference with multiway clustering", J. Business & Economic Statistics 29.
"""

import numpy as np
from scipy import stats


def two_way_interval(values, first, other, *, level=0.95):
    """Return (mean, low, high); NaN limits where all values share a cluster, or agree.

    Parameters
    ----------
    values : array_like, shape (n,)
    first, other : array_like of int, shape (n,)
        The two clusters of each value.

    Examples
    --------
    >>> value, low, high = two_way_interval([1, 1, 2, 2, 3, 3], [0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 4, 5])
    >>> round(float(low), 3)        # of three values: Student's interval
    -0.484
    """
    values = np.asarray(values, float)
    mean, counts, variances = float(values.mean()), [], []
    for labels in (np.asarray(first), np.asarray(other), np.stack([first, other], 1)):
        index = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
        sums = np.bincount(index, weights=values - mean)
        counts.append(len(sums))
        variances.append(len(sums) / max(len(sums) - 1, 1) * np.square(sums).sum() / values.size**2)
    a, b, both = variances
    variance, freedom = max(a + b - both, a, b), min(counts) - 1
    if freedom < 1 or not variance > 0:
        return mean, np.nan, np.nan
    half = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(variance)
    return mean, mean - half, mean + half

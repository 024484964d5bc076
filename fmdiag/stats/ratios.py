"""Interval of a ratio of two means of paired values, after Fieller: the ratios that a paired t-test does not reject.

    rho = mean(a) / mean(b),    { r : |mean(a - r b)| <= t sqrt(var(a - r b) / n) }

Where the mean of b is not shown to differ from 0 at this level, no bounded set of ratios has that property, and there
is no interval. Nothing is linearised, so that the interval and the paired test of a - r b against 0 never disagree.

References
----------
E. C. Fieller 1954, "Some problems in interval estimation", Journal of the Royal Statistical Society B 16, 175-185.
"""

import numpy as np
from scipy import stats


def ratio_interval(values, others, *, level=0.95):
    """Return (ratio, low, high) of mean(values) / mean(others); NaN limits where the set of ratios is unbounded.

    Parameters
    ----------
    values, others : array_like, shape (n,)
        Pairs that are independent of one another.
    level : float
        Coverage in (0, 1): exact where the pairs are normal, as Student's interval is.

    Examples
    --------
    >>> ratio, low, high = ratio_interval([5.0, 6.0, 5.0, 7.0], [10.0, 11.0, 9.0, 13.0])
    >>> round(float(ratio), 2), round(float(low), 2), round(float(high), 2)
    (0.53, 0.5, 0.57)
    """
    a, b = np.asarray(values, dtype=float), np.asarray(others, dtype=float)
    n, mean_a, mean_b = a.size, a.mean(), b.mean()
    if not mean_b:
        return np.nan, np.nan, np.nan
    ratio = mean_a / mean_b
    if n < 2:
        return ratio, np.nan, np.nan
    # In units of the mean of b and around the ratio, so that nothing cancels: |rest - s b / mean(b)| with s = r - rho.
    b = b / mean_b
    rest = a / mean_b - ratio * b
    q = stats.t.ppf((1 + level) / 2, n - 1) ** 2 / n
    variance, covariance, spread = (float((x * y).sum() / (n - 1)) for x, y in (
        (rest, rest), (rest, b - 1), (b - 1, b - 1)))
    # s² (1 - q spread) + 2 q covariance s - q variance <= 0.
    lead = 1 - q * spread
    if not lead > 0:
        return ratio, np.nan, np.nan
    root = np.sqrt((q * covariance) ** 2 + lead * q * variance)
    return ratio, ratio - (q * covariance + root) / lead, ratio + (root - q * covariance) / lead

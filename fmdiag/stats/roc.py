"""ROC curve and AUC of a score that tells two groups apart, with intervals.

    AUC = P(positive > negative) + P(equal) / 2,   1/2 where the score tells nothing

Two intervals. `delong_interval` is taken on the logit, so that it stays in [0, 1]; where the groups are separated
entirely DeLong's variance is 0, and min(m, n) disjoint pairs, all in the right order, give an exact bound instead.
`newcombe_auc` needs the group sizes only. `tpr_at` is one point of the curve, at few false positives.

References
----------
DeLong, DeLong, Clarke-Pearson 1988, Comparing the areas under two or more correlated ROC curves; Sun & Xu 2014 (ranks).
Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve", Radiology 143. Newcombe 2006, "Confidence
intervals for an effect size measure based on the Mann-Whitney statistic, part 2", Statistics in Medicine 25, method 5.
Carlini et al. 2022, "Membership inference attacks from first principles" (true positives at few false positives).
"""

import numpy as np
from scipy import optimize, stats

from fmdiag.errors import FmdiagError
from fmdiag.stats.differences import mover
from fmdiag.stats.intervals import proportion_interval

EDGE = 1e-9


def roc_curve(positive, negative):
    """Return (fpr, tpr, threshold), from (0, 0) to (1, 1): the shares of both groups with a score >= threshold.

    Parameters
    ----------
    positive, negative : array_like, shape (m,) and (n,)
        Scores, large for positives; finite.
    """
    from sklearn.metrics import roc_curve  # imports for a second

    return roc_curve(*_labelled(positive, negative), drop_intermediate=False)


def auc(positive, negative):
    """Return the area under the ROC curve of two arrays of scores, shape (m,) and (n,)."""
    _labelled(positive, negative)
    ordered, positive = np.sort(np.asarray(negative, dtype=float)), np.asarray(positive, dtype=float)
    # Each positive is above so many negatives; twice, as ties count half.
    twice = ordered.searchsorted(positive, "left").sum() + ordered.searchsorted(positive, "right").sum()
    return float(twice / (2 * len(positive) * len(ordered)))


def delong_interval(positive, negative, *, level=0.95):
    """Return (auc, low, high).

    Parameters
    ----------
    positive, negative : array_like, shape (m,) and (n,)
        Scores, large for positives; finite.

    Examples
    --------
    >>> delong_interval([3, 2, 4], [1, 2, 0])[0].__round__(3)       # 8.5 of 9 pairs are in order
    0.944
    """
    area, pairs = auc(positive, negative), min(len(positive), len(negative))
    error = np.sqrt(sum(map(_variance, _placements(positive, negative))))
    if not error > 0:
        return area, *proportion_interval(round(area * pairs), pairs, level=level)[1:]
    half = stats.norm.ppf((1 + level) / 2) * error / (area * (1 - area))
    logit = np.log(area / (1 - area))
    return area, 1 / (1 + np.exp(half - logit)), 1 / (1 + np.exp(-half - logit))


def delong_difference(first, other, *, level=0.95):
    """Return (difference, low, high, p) of the AUCs of two scores of the same images: first minus other.

    p is one-sided, of "the first is larger". Where DeLong's variance is 0, the interval is that of two AUCs whose
    intervals are `delong_interval`'s, and p is 0 or 1.

    Parameters
    ----------
    first, other : tuple of two array_like, shape (m,) and (n,)
        Scores of positives and of negatives; place k of either is one image.

    Examples
    --------
    >>> found = delong_difference(([3, 2, 4, 1], [1, 2, 0, 2]), ([1, 2, 0, 2], [3, 2, 4, 1]))
    >>> [round(float(value), 3) for value in found]          # .781 and .219, which vary together
    [0.562, -0.078, 1.0, 0.043]
    """
    areas = [delong_interval(*scores, level=level) for scores in (first, other)]
    parts = [one - two for one, two in zip(_placements(*first), _placements(*other), strict=True)]
    error, difference = np.sqrt(sum(map(_variance, parts))), areas[0][0] - areas[1][0]
    if not error > 0:
        return *mover(areas[1], areas[0]), float(not difference > 0)
    half = stats.norm.ppf((1 + level) / 2) * error
    return difference, max(-1.0, difference - half), min(1.0, difference + half), stats.norm.sf(difference / error)


def newcombe_auc(positive, negative, *, level=0.95):
    """Return (auc, low, high): Newcombe's interval, wider than 0 where the groups do not overlap at all."""
    area = auc(positive, negative)
    return area, *newcombe_limits(area, len(positive), len(negative), stats.norm.ppf((1 + level) / 2))


def newcombe_error(theta, m, n):
    """Return the standard error of an AUC that is theta, of m and n scores.

    Hanley and McNeil's variance with both group sizes at their mean, as Newcombe's method 5 has it.
    """
    size = (m + n) / 2 - 1
    return np.sqrt(theta * (1 - theta) * (1 + size * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (m * n))


def newcombe_limits(area, m, n, z):
    """Return (low, high): the AUCs that are z of their own standard errors away from `area`."""
    def excess(theta):
        return abs(area - theta) - z * newcombe_error(theta, m, n)

    # At 0 and 1 the variance is 0 and theta = area solves the equation trivially.
    inside = np.clip(area, EDGE, 1 - EDGE)
    low = 0.0 if area <= EDGE else optimize.brentq(excess, 0.0, inside)
    high = 1.0 if area >= 1 - EDGE else optimize.brentq(excess, inside, 1.0)
    return low, high


def tpr_at(positive, negative, fpr, *, level=0.95):
    """Return (tpr, low, high): the share of positives above the threshold that a share `fpr` of negatives passes.

    The threshold is the smallest negative score that at most that share of negatives exceeds; the interval is
    Clopper and Pearson's at this empirical threshold. NaN for fewer than 1 / fpr negatives, which show no such share.

    Examples
    --------
    >>> float(tpr_at(range(50, 150), range(100), 0.01)[0])   # 98 is exceeded by 1 of 100, and by 51 positives
    0.51
    >>> tpr_at(range(50, 150), range(100), 0.001)[0]
    nan
    """
    _labelled(positive, negative)
    negative = np.sort(np.asarray(negative, float))[::-1]
    passing = int(fpr * len(negative) + 1e-9)
    if not 0 < passing < len(negative):
        return np.nan, np.nan, np.nan
    return proportion_interval((np.asarray(positive, float) > negative[passing]).sum(), len(positive), level=level)


def _labelled(positive, negative):
    """Return (labels, scores) of both groups, refusing what has no order."""
    if not (len(positive) and len(negative) and np.isfinite(positive).all() and np.isfinite(negative).all()):
        raise FmdiagError("a ROC curve needs a score, finite and not NaN, in both groups")
    return np.repeat([1, 0], [len(positive), len(negative)]), np.concatenate([positive, negative])


def _placements(positive, negative):
    """Return per positive the share of negatives below it, and per negative that of positives above it; ties half."""
    m, n = len(positive), len(negative)
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    return (ranks[:m] - stats.rankdata(positive)) / n, 1 - (ranks[m:] - stats.rankdata(negative)) / m


def _variance(components):
    return components.var(ddof=1) / components.size if components.size > 1 else np.nan

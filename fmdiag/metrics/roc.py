"""How well does a score tell two groups apart, over all thresholds at once? ROC curve and AUC with an interval.

    AUC = P(positive > negative) + P(equal) / 2,   1/2 where the score tells nothing

The variance is DeLong's; the interval is taken on the logit, so that it stays in [0, 1]. Where the groups are separated
entirely that variance is 0; then min(m, n) disjoint pairs, all in the right order, give an exact bound for the AUC.

References
----------
DeLong, DeLong, Clarke-Pearson 1988, Comparing the areas under two or more correlated ROC curves; Sun & Xu 2014 (ranks).
"""

import numpy as np
from scipy import stats

from fmdiag.errors import FmdiagError
from fmdiag.results import proportion_interval


def roc_curve(positive, negative):
    """Return (fpr, tpr, threshold), from (0, 0) to (1, 1): the shares of both groups with a score >= threshold.

    Parameters
    ----------
    positive, negative : array_like, shape (m,) and (n,)
        Scores, large for positives.
    """
    positive, negative = _scores(positive, negative)
    thresholds = np.unique(np.concatenate([positive, negative]))[::-1]
    tpr, fpr = (1 - np.searchsorted(np.sort(x), thresholds, side="left") / x.size for x in (positive, negative))
    return np.concatenate([[0.0], fpr]), np.concatenate([[0.0], tpr]), np.concatenate([[np.inf], thresholds])


def auc_interval(positive, negative, *, level=0.95):
    """Return (auc, low, high).

    Parameters
    ----------
    positive, negative : array_like, shape (m,) and (n,)
        Scores, large for positives; NaN is not allowed.

    Examples
    --------
    >>> auc_interval([3, 2, 4], [1, 2, 0])[0].round(3)       # 8.5 of 9 pairs are in order
    np.float64(0.944)
    """
    positive, negative = _scores(positive, negative)
    m, n = positive.size, negative.size
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    above_negative = (ranks[:m] - stats.rankdata(positive)) / n   # per positive: share of negatives below it
    below_positive = 1 - (ranks[m:] - stats.rankdata(negative)) / m
    auc = above_negative.mean()
    error = np.sqrt(_variance(above_negative) + _variance(below_positive))
    if not error > 0:
        pairs = min(m, n)
        low, high = proportion_interval(round(auc * pairs), pairs, level=level)[1:]
        return auc, low, high
    half = stats.norm.ppf((1 + level) / 2) * error / (auc * (1 - auc))
    logit = np.log(auc / (1 - auc))
    return auc, 1 / (1 + np.exp(half - logit)), 1 / (1 + np.exp(-half - logit))


def _variance(components):
    return components.var(ddof=1) / components.size if components.size > 1 else np.nan


def _scores(*groups):
    groups = [np.asarray(group, dtype=float) for group in groups]
    if any(group.size == 0 or np.isnan(group).any() for group in groups):
        raise FmdiagError("a ROC curve needs a score, not NaN, in both groups")
    return groups

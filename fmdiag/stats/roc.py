"""ROC curve and AUC of a score that tells two groups apart, with intervals and a p-value.

    AUC = P(positive > negative) + P(equal) / 2,   1/2 where the score tells nothing

Three intervals. `delong_interval` is taken on the logit, so that it stays in [0, 1]; where the groups are separated
entirely DeLong's variance is 0, and min(m, n) disjoint pairs, all in the right order, give an exact bound instead.
`newcombe_auc` needs the group sizes only, `bootstrap_auc` resamples both groups.

References
----------
DeLong, DeLong, Clarke-Pearson 1988, Comparing the areas under two or more correlated ROC curves; Sun & Xu 2014 (ranks).
Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve", Radiology 143. Newcombe 2006, "Confidence
intervals for an effect size measure based on the Mann-Whitney statistic, part 2", Statistics in Medicine 25, method 5.
"""

import numpy as np
from scipy import optimize, stats

from fmdiag.errors import FmdiagError
from fmdiag.stats.intervals import proportion_interval
from fmdiag.stats.resampling import RESAMPLES, percentiles

EDGE = 1e-9
MOST_EXACT = 100


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
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(*_labelled(positive, negative)))


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
    area, m, n = auc(positive, negative), len(positive), len(negative)
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    above_negative = (ranks[:m] - stats.rankdata(positive)) / n   # per positive: share of negatives below it
    below_positive = 1 - (ranks[m:] - stats.rankdata(negative)) / m
    error = np.sqrt(_variance(above_negative) + _variance(below_positive))
    if not error > 0:
        pairs = min(m, n)
        return area, *proportion_interval(round(area * pairs), pairs, level=level)[1:]
    half = stats.norm.ppf((1 + level) / 2) * error / (area * (1 - area))
    logit = np.log(area / (1 - area))
    return area, 1 / (1 + np.exp(half - logit)), 1 / (1 + np.exp(-half - logit))


def newcombe_auc(positive, negative, *, level=0.95):
    """Return (auc, low, high): Newcombe's interval, wider than 0 where the groups do not overlap at all."""
    area, m, n = auc(positive, negative), len(positive), len(negative)
    z, size = stats.norm.ppf((1 + level) / 2), (m + n) / 2 - 1

    def excess(theta):
        # Hanley and McNeil's variance with both group sizes at their mean, as Newcombe's method 5 has it.
        spread = 1 + size * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return abs(area - theta) - z * np.sqrt(theta * (1 - theta) * spread / (m * n))

    # At 0 and 1 the variance is 0 and theta = area solves the equation trivially.
    inside = np.clip(area, EDGE, 1 - EDGE)
    low = 0.0 if area <= EDGE else optimize.brentq(excess, 0.0, inside)
    high = 1.0 if area >= 1 - EDGE else optimize.brentq(excess, inside, 1.0)
    return area, low, high


def bootstrap_auc(positive, negative, *, level=0.95, n_resamples=RESAMPLES, seed=0):
    """Return (auc, low, high): the percentile bootstrap over both groups; `newcombe_auc` where they do not overlap.

    There every resample has the same area, and the bootstrap's interval no width.
    """
    area, a, b = auc(positive, negative), np.asarray(positive, float)[:, None], np.asarray(negative, float)[None]
    wins, rng = (a > b) + 0.5 * (a == b), np.random.default_rng(seed)
    if area in (0, 1):
        return newcombe_auc(positive, negative, level=level)
    counts = [rng.multinomial(size, np.full(size, 1 / size), n_resamples) for size in wins.shape]
    areas = ((counts[0] @ wins) * counts[1]).sum(1) / wins.size
    low, high = percentiles(areas, level)
    return area, float(low), float(high)


def larger_p(positive, negative):
    """Return the one-sided Mann-Whitney p-value of "positives score higher"; exact for small groups without ties."""
    scores = np.concatenate([positive, negative])
    if np.ptp(scores) == 0:
        return 1.0
    exact = len(scores) <= MOST_EXACT and len(np.unique(scores)) == len(scores)
    method = "exact" if exact else "asymptotic"
    return float(stats.mannwhitneyu(positive, negative, alternative="greater", method=method).pvalue)


def _labelled(positive, negative):
    """Return (labels, scores) of both groups, refusing what has no order."""
    if not (len(positive) and len(negative) and np.isfinite(positive).all() and np.isfinite(negative).all()):
        raise FmdiagError("a ROC curve needs a score, finite and not NaN, in both groups")
    return np.repeat([1, 0], [len(positive), len(negative)]), np.concatenate([positive, negative])


def _variance(components):
    return components.var(ddof=1) / components.size if components.size > 1 else np.nan

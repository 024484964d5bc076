"""How well does a score tell two groups apart? The area under the ROC curve, with intervals and a p-value.

    AUC = P[score of a member > score of a non-member] + P[equal] / 2

1/2 is chance; it is the Mann-Whitney statistic divided by the number of pairs.

References
----------
Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve", Radiology 143. Newcombe 2006, "Confidence
intervals for an effect size measure based on the Mann-Whitney statistic, part 2", Statistics in Medicine 25, method 5.
Holm 1979, "A simple sequentially rejective multiple test procedure".
"""

import numpy as np
from scipy import optimize, stats

N_RESAMPLES = 1000
EDGE = 1e-9
MOST_EXACT = 100


def auc(members, others):
    """Return the area under the ROC curve of two arrays of scores, shape (m,) and (k,)."""
    return float(_wins(members, others).mean())


def _wins(members, others):
    members, others = np.asarray(members, float)[:, None], np.asarray(others, float)[None]
    return (members > others) + 0.5 * (members == others)


def bootstrap_auc(members, others, *, level=0.95, n_resamples=N_RESAMPLES, seed=0):
    """Return (auc, low, high): the percentile bootstrap over both groups; its width is 0 where they do not overlap."""
    wins, rng = _wins(members, others), np.random.default_rng(seed)
    m, k = wins.shape
    counts = rng.multinomial(m, np.full(m, 1 / m), n_resamples), rng.multinomial(k, np.full(k, 1 / k), n_resamples)
    areas = ((counts[0] @ wins) * counts[1]).sum(1) / (m * k)
    low, high = np.quantile(areas, [(1 - level) / 2, (1 + level) / 2])
    return float(wins.mean()), float(low), float(high)


def newcombe_auc(members, others, *, level=0.95):
    """Return (auc, low, high): Newcombe's interval, wider than 0 where the groups do not overlap at all."""
    area, m, k = auc(members, others), len(members), len(others)
    z = stats.norm.ppf((1 + level) / 2)

    def excess(theta):
        return abs(area - theta) - z * np.sqrt(_variance(theta, m, k))

    # At 0 and 1 the variance is 0 and theta = area solves the equation trivially.
    inside = np.clip(area, EDGE, 1 - EDGE)
    low = 0.0 if area <= EDGE else optimize.brentq(excess, 0.0, inside)
    high = 1.0 if area >= 1 - EDGE else optimize.brentq(excess, inside, 1.0)
    return area, low, high


def _variance(theta, m, k):
    """Return Hanley and McNeil's variance with both group sizes at their mean, as Newcombe's method 5 has it."""
    size = (m + k) / 2 - 1
    return theta * (1 - theta) * (1 + size * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (m * k)


def larger_p(members, others):
    """Return the one-sided Mann-Whitney p-value of "members score higher"; exact for small groups without ties."""
    scores = np.concatenate([members, others])
    if np.ptp(scores) == 0:
        return 1.0
    exact = len(scores) <= MOST_EXACT and len(np.unique(scores)) == len(scores)
    method = "exact" if exact else "asymptotic"
    return float(stats.mannwhitneyu(members, others, alternative="greater", method=method).pvalue)


def roc(members, others):
    """Return (false positive rate, true positive rate), ascending from (0, 0) to (1, 1), of all thresholds."""
    thresholds = np.unique(np.concatenate([members, others]))[::-1, None]
    rates = [(np.asarray(group)[None] >= thresholds).mean(1) for group in (others, members)]
    return np.concatenate([[0.0], rates[0]]), np.concatenate([[0.0], rates[1]])


def holm(p_values):
    """Return Holm's adjusted p-values: at most `level` of them below it by chance in all, however they depend."""
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted

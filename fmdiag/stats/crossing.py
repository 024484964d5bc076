"""Crossing of a threshold by a share that falls along an axis: where, with exact limits.

The limits are those of a step-wise test (Marcus, Peritz and Gabriel 1976): from the smallest x on, "the share is at
least the threshold" is claimed as long as the lower limit of Clopper and Pearson allows it, and from the largest x
down, "it is below" as long as the upper one does. A wrong claim of either kind needs an error at one fixed x, the first
beyond the true crossing, so that no correction for the number of sizes is due. Nothing is assumed but that the share
falls: between two sizes the limits do not interpolate.
"""

import math

import numpy as np

from fmdiag.stats.intervals import proportion_interval


def falling_crossing(x, successes, totals, *, threshold=0.9, level=0.95):
    """Return (value, low, high): the largest x whose share is at least the threshold.

    Parameters
    ----------
    x : array_like, shape (k,)
        Positive and increasing.
    successes, totals : array_like of int, shape (k,)
        At each x. Of several models they may be sums: Clopper and Pearson's limits then hold for the mean share of
        these models, as a sum of unequal Bernoulli variables varies less than a binomial one (Hoeffding 1956).

    Returns
    -------
    value : float
        By linear interpolation in log x of the shares, made to fall by isotonic regression; 0 or inf where the crossing
        lies below the smallest or above the largest x.
    low, high : float
        The crossing lies in [low, high): 0 and inf where nothing is claimed.
    """
    x = np.asarray(x, dtype=float)
    limits = np.array([proportion_interval(k, n, level=level) for k, n in zip(successes, totals, strict=True)])
    reached, missed = limits[:, 1] >= threshold, limits[:, 2] < threshold
    n_reached = len(x) if reached.all() else int(np.argmin(reached))
    n_missed = len(x) if missed.all() else int(np.argmin(missed[::-1]))
    low = x[n_reached - 1] if n_reached else 0.0
    high = x[len(x) - n_missed] if n_missed else math.inf
    return _interpolated(x, _falling(limits[:, 0], np.asarray(totals, dtype=float)), threshold), float(low), float(high)


def _falling(shares, weights):
    """Return the falling sequence nearest to the shares: neighbours that rise are pooled (isotonic regression)."""
    blocks = []
    for share, weight in zip(shares, weights, strict=True):
        blocks.append([share, weight, 1])
        while len(blocks) > 1 and blocks[-1][0] > blocks[-2][0]:
            (first, first_weight, first_count), (last, last_weight, last_count) = blocks[-2:]
            weight = first_weight + last_weight
            blocks[-2:] = [[(first * first_weight + last * last_weight) / weight, weight, first_count + last_count]]
    return np.concatenate([np.full(count, share) for share, _, count in blocks])


def _interpolated(x, shares, threshold):
    above = int((shares >= threshold).sum())
    if above in (0, len(x)):
        return math.inf if above else 0.0
    part = (shares[above - 1] - threshold) / (shares[above - 1] - shares[above])
    return float(math.exp(math.log(x[above - 1]) + part * math.log(x[above] / x[above - 1])))

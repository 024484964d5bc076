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
    return _interpolated(x, _falling(successes, totals), threshold), float(low), float(high)


def _falling(successes, totals):
    """Return the falling shares nearest to those of the counts, by the minimum-maximum formula of the regression."""
    counts, sums = (np.cumsum([0.0, *values]) for values in (totals, successes))
    places = range(len(counts) - 1)

    def share(first, last):
        return (sums[last + 1] - sums[first]) / (counts[last + 1] - counts[first])

    return np.array([min(max(share(first, last) for last in places[i:]) for first in places[:i + 1])
                     for i in places])


def _interpolated(x, shares, threshold):
    above = int((shares >= threshold).sum())
    if above in (0, len(x)):
        return math.inf if above else 0.0
    part = (shares[above - 1] - threshold) / (shares[above - 1] - shares[above])
    return float(math.exp(math.log(x[above - 1]) + part * math.log(x[above] / x[above - 1])))

"""Squared maximum mean discrepancy of two samples under a Gaussian kernel.

    MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y),      k(a, b) = exp(-||a - b||^2 / (2 h^2)),

with all terms, the diagonal too (Gretton et al. 2012, equation 5): never negative, exactly 0 for equal samples, and
about (1 - E k)(1/n + 1/m) for two samples of one distribution. h: the median distance in the second sample.
"""

import torch

from fmdiag.stats import from_left_out

MOST_FOR_MEDIAN = 1000


def median_distance(y):
    """Return the median distance among the first 1000 rows of y, shape (m, d)."""
    return float(torch.pdist(y[:MOST_FOR_MEDIAN].double()).median())


def mmd_unpaired(x, y, bandwidth=None, *, level=0.95):
    """Return (MMD^2, low, high) of two independent samples, shapes (n, d) and (m, d), by the jackknife over both."""
    h = bandwidth or median_distance(y)
    value, *left_out = _left_out(x.double(), y.double(), h)
    _, low, high = from_left_out(value, left_out).interval(level)
    return value, max(0.0, low), high


def mmd_change(x, other, y, bandwidth=None, *, level=0.95):
    """Return (MMD^2 of x to y minus MMD^2 of other to y, low, high); rows of x and other, (n, d), belong together.

    The interval is that of the difference: what both have in common, the rows of y above all, does not widen it.
    """
    h = bandwidth or median_distance(y)
    (a, *over_a), (b, *over_b) = (_left_out(part.double(), y.double(), h) for part in (x, other))
    return from_left_out(a - b, [first - second for first, second in zip(over_a, over_b, strict=True)]).interval(level)


def _left_out(x, y, h):
    """Return MMD^2, its values without each row of x, and without each row of y."""
    xx, yy, xy = (_kernel(a, b, h) for a, b in ((x, x), (y, y), (x, y)))
    value = float(xx.mean() + yy.mean() - 2 * xy.mean())
    return (value, _without(xx) + yy.mean() - 2 * _without_rows(xy), xx.mean() + _without(yy) - 2 * _without_rows(xy.T))


def mmd_paired(x, y, bandwidth=None, *, level=0.95):
    """Return (MMD^2, low, high) of two samples whose rows belong together, shape (n, d), by the jackknife over rows."""
    x, y = x.double(), y.double()
    h = bandwidth or median_distance(y)
    cross = _kernel(x, y, h)
    both = _kernel(x, x, h) + _kernel(y, y, h) - cross - cross.T
    value = float(both.mean())
    _, low, high = from_left_out(value, [_without(both)]).interval(level)
    return value, max(0.0, low), high


def _kernel(a, b, h):
    return torch.exp(torch.cdist(a, b).square() / (-2 * h * h))


def _without(square):
    """Return the mean of a symmetric matrix without row and column i, for every i."""
    n = len(square)
    return (square.sum() - 2 * square.sum(1) + square.diagonal()) / (n - 1) ** 2


def _without_rows(matrix):
    """Return the mean of a matrix without row i, for every i."""
    n, m = matrix.shape
    return (matrix.sum() - matrix.sum(1)) / ((n - 1) * m)

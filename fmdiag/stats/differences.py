"""Intervals of differences: of two means, two shares, or any two values that have intervals, independent or paired.

References
----------
Welch 1947. Newcombe 1998a, "Interval estimation for the difference between independent proportions", Statistics in
Medicine 17, 873-890; 1998b, 17, 2635-2650 (paired). Zou and Donner 2008, Statistics in Medicine 27, 1693-1702.
"""

import numpy as np
from scipy import stats

from fmdiag.stats.intervals import wilson_interval


def welch(first, other, *, level=0.95):
    """Return (difference, low, high) of two independent means, each (value, low, high, n) with Student's interval."""
    errors = [(high - low) / 2 / stats.t.ppf((1 + level) / 2, n - 1) for _, low, high, n in (first, other)]
    squares, freedom = np.square(errors), [first[3] - 1, other[3] - 1]
    value = other[0] - first[0]
    if squares.sum() == 0:
        return value, value, value
    degrees = squares.sum() ** 2 / (squares**2 / freedom).sum()
    half = stats.t.ppf((1 + level) / 2, degrees) * np.sqrt(squares.sum())
    return value, value - half, value + half


def mover(first, other, *, correlation=0.0):
    """Return (difference, low, high) of two quantities, each (value, low, high), by the distances from value to end.

    Zou and Donner's "method of variance estimates recovery": the squares of the distances add up, less what
    the correlation of the two takes away.
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, other
    low, high = (np.sqrt(np.square(x) - 2 * correlation * x * y + np.square(y))
                 for x, y in ((b - b_low, a_high - a), (b_high - b, a - a_low)))
    return b - a, b - a - low, b - a + high


def difference_interval(successes, n, null_successes, null_n, *, level=0.95):
    """Return (difference, low, high) of two independent shares: successes / n - null_successes / null_n.

    Newcombe 1998a, method 10: the two score intervals of Wilson, combined; its coverage stays near nominal at shares of
    0 and 1. Arrays are taken elementwise.
    """
    return mover(wilson_interval(null_successes, null_n, level=level), wilson_interval(successes, n, level=level))


def excluded_difference(successes, n, null_successes, null_n, *, level=0.95):
    """Return the difference of two independent shares above which all are excluded: a one-sided upper limit.

    The upper end of `difference_interval` at level 2 `level` - 1, not below 0.
    """
    return max(0.0, float(difference_interval(successes, n, null_successes, null_n, level=2 * level - 1)[2]))


def paired_shares(first, other, *, level=0.95):
    """Return (difference, low, high) of two shares of the same units; `first`, `other`: 0 or 1 per unit."""
    first, other, n = np.asarray(first, bool), np.asarray(other, bool), len(first)
    a, b, c, d = (first & other).sum(), (other & ~first).sum(), (first & ~other).sum(), (~first & ~other).sum()
    product = float(a + b) * (c + d) * (a + c) * (b + d)
    excess = float(a) * d - float(b) * c
    # Newcombe's correction (1998b): a positive correlation is lowered by n/2 in its numerator, not below 0.
    phi = 0.0 if product == 0 else (max(excess - n / 2, 0.0) if excess > 0 else excess) / np.sqrt(product)
    return mover(*(wilson_interval(part.sum(), n, level=level) for part in (first, other)), correlation=phi)

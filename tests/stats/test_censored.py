"""Slope of values known in intervals only: Student's in the limit, the likelihood by brute force, coverage."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from fmdiag.stats import censored_slope

X = np.repeat(np.log([16.0, 32, 64, 128, 256]), 2)


def values(seed, spread=0.3):
    return X + 2 + spread * np.random.default_rng(seed).normal(size=len(X))


def cells(y, first, last, width):
    """Return (low, high) of evaluations at first, first + width, ..., last: open below the first, above the last."""
    edges = np.concatenate([[-np.inf], np.arange(first, last + width / 2, width), [np.inf]])
    index = np.searchsorted(edges, y)
    return edges[index - 1], edges[index]


def test_narrow_intervals_give_students_limits():
    y, z = values(0), np.random.default_rng(1).normal(size=(len(X), 2))
    design = np.column_stack([X, np.ones_like(X), z])
    found, rss = np.linalg.lstsq(design, y, rcond=None)[:2]
    freedom = len(X) - 4
    half = stats.t.ppf(0.975, freedom) * math.sqrt(rss[0] / freedom * np.linalg.inv(design.T @ design)[0, 0])
    shown = censored_slope(X, y - 1e-4, y + 1e-4, others=z)
    assert shown == pytest.approx((found[0], found[0] - half, found[0] + half), abs=1e-5)


def test_limits_are_where_the_likelihood_has_fallen_to_its_level():
    low, high = cells(values(2), 5.0, 7.0, 0.5)
    inside = int((np.isfinite(low) & np.isfinite(high)).sum())
    assert inside < len(X)    # some are open
    value, *limits = censored_slope(X, low, high)

    def loss(point, b=None):
        """Return minus the log-likelihood at (constant, log s), or at (constant, log s, b)."""
        middle, s = point[0] + (point[2] if b is None else b) * X, math.exp(point[1])
        return -np.log(np.maximum(stats.norm.cdf(high, middle, s) - stats.norm.cdf(low, middle, s), 1e-300)).sum()

    options = {"method": "Nelder-Mead", "options": {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}}
    best = optimize.minimize(loss, [2, -1, 1], **options)
    assert value == pytest.approx(best.x[2], abs=1e-4)
    level = inside * math.log1p(stats.t.ppf(0.975, inside - 2) ** 2 / (inside - 2)) / 2
    for b in limits:
        assert optimize.minimize(loss, [2, -1], args=(b,), **options).fun - best.fun == pytest.approx(level, abs=1e-4)


def test_every_slope_that_the_intervals_allow_is_inside():
    """Without noise the likelihood is flat over the slopes whose line passes through all intervals (linear program)."""
    low, high = cells(X + 2.1, 4.5, 8.0, 0.7)
    inside = np.isfinite(low) & np.isfinite(high)
    rows = np.column_stack([X, np.ones_like(X)])[inside]
    ends = [optimize.linprog([sign, 0], np.vstack([rows, -rows]), np.concatenate([high[inside], -low[inside]]),
                             bounds=[(None, None)] * 2).x[0] for sign in (1, -1)]
    _, least, most = censored_slope(X[inside], low[inside], high[inside])
    assert least <= ends[0] < ends[1] <= most and ends[1] - ends[0] > 0.1


def test_limits_hold_the_slope_with_their_probability():
    """Ten values at five sizes, spread .3, evaluations a factor of two apart, up to a third beyond the last.

    Of 60 more than 9 miss with probability 1e-3 at most where each misses with 5 %.
    """
    missed, widths = 0, []
    for seed in range(60):
        low, high = cells(values(seed, 0.3), 4.0, 6.8, math.log(2))
        _, least, most = censored_slope(X, low, high)
        missed += not least <= 1 <= most
        widths.append(most - least)
    assert missed <= 9 and np.median(widths) < 0.9


def test_what_does_not_determine_a_slope_has_none():
    assert math.isnan(censored_slope([1, 1, 1, 1], [0, 1, 2, 3], [1, 2, 3, 4])[0])
    assert math.isnan(censored_slope([1, 2, 3], [0, 1, 2], [1, 2, math.inf])[0])
    with pytest.raises(ValueError, match="low < high"):
        censored_slope([1, 2], [0, 1], [1, 1])

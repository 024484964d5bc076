"""Fieller's interval: the ratios that a paired t-test keeps, its coverage, and what has no interval."""

import numpy as np
import pytest
from scipy import stats

from fmdiag.stats import mean_interval, ratio_interval


def pairs(seed=0, n=12):
    rng = np.random.default_rng(seed)
    b = rng.gamma(4.0, size=n)
    return 0.6 * b + 0.3 * rng.normal(size=n), b


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_the_ends_are_where_the_paired_t_test_turns(level):
    a, b = pairs()
    ratio, low, high = ratio_interval(a, b, level=level)
    assert ratio == pytest.approx(a.mean() / b.mean(), rel=1e-12)
    for end in (low, high):
        assert stats.ttest_1samp(a - end * b, 0).pvalue == pytest.approx(1 - level, rel=1e-8)
    inside, outside = (stats.ttest_1samp(a - r * b, 0).pvalue for r in ((low + ratio) / 2, high + (high - ratio)))
    assert outside < 1 - level < inside


def test_a_constant_denominator_gives_students_interval():
    a, _ = pairs()
    np.testing.assert_allclose(ratio_interval(a, np.full(len(a), 2.0)), np.array(mean_interval(a)) / 2, rtol=1e-12)


def test_scales_change_nothing_and_no_digit_is_lost():
    a, b = pairs()
    np.testing.assert_allclose(ratio_interval(1e-9 * a, 1e3 * b), np.array(ratio_interval(a, b)) * 1e-12, rtol=1e-9)
    ratio, low, high = ratio_interval(b * (1 + 1e-9), b)
    assert (ratio, low, high) == pytest.approx((1 + 1e-9,) * 3, rel=1e-14)


def test_no_bounded_set_of_ratios():
    ratio, low, high = ratio_interval([1.0, 2.0, 3.0], [1.0, -1.0, 0.3])
    assert np.isfinite(ratio) and np.isnan([low, high]).all()
    assert np.isnan(ratio_interval([1.0, 2.0], [0.0, 0.0])).all()
    assert np.isnan(ratio_interval([1.0], [2.0])[1:]).all()


def test_coverage():
    """Normal pairs: exact. 400 draws at 95 %: 20 misses are expected, 36 or more have probability 4e-4."""
    rng, missed = np.random.default_rng(1), 0
    for _ in range(400):
        b = 3 + rng.normal(size=8)
        low, high = ratio_interval(0.5 * b + 0.4 * rng.normal(size=8), b)[1:]
        missed += not low <= 0.5 <= high
    assert 6 < missed < 36

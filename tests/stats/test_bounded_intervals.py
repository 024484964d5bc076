"""Intervals within a known range: exact for zeros and ones, and holding where Student's does not."""

import numpy as np
import pytest
from scipy import stats

from fmdiag.stats import mean_interval, proportion_interval, quantile_interval
from fmdiag.stats.bounded import bounded_interval, bounded_intervals, clustered_quantile, share_interval


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (20, 20), (3, 20), (40, 64)])
def test_bounded_interval_of_zeros_and_ones_is_clopper_and_pearsons(successes, n):
    """Under uniform weights on the simplex the weight of k of n + 1 places is Beta(k, n + 1 - k).

    A quantile of 4000 draws lies between the exact quantiles of .025 ± 4 sqrt(.025 · .975 / 4000) = .025 ± .01.
    """
    share, low, high = bounded_interval(np.arange(n) < successes)
    assert share == successes / n
    for limit, exact, ends in ((low, stats.beta(successes, n - successes + 1) if successes else None, (0.015, 0.035)),
                               (high, stats.beta(successes + 1, n - successes) if successes < n else None,
                                (0.965, 0.985))):
        if exact is None:
            assert limit == pytest.approx(share, abs=1e-12)
        else:
            assert exact.ppf(ends[0]) <= limit <= exact.ppf(ends[1])


@pytest.mark.parametrize(("a", "b", "n"), [(0.02, 1, 32), (1, 0.02, 32), (0.1, 2, 8), (0.3, 0.3, 256), (20, 20, 32)])
def test_fault_3_9_bounded_interval_holds_where_students_does_not(a, b, n):
    """Beta distributions at one end of [0, 1], at both, in the middle: Student's misses the first in a third.

    300 tries at .95: more than 29 misses have a probability of 6e-4.
    """
    rng, truth = np.random.default_rng(0), a / (a + b)
    found = np.array([bounded_interval(rng.beta(a, b, n), n_draws=1000) for _ in range(300)])
    assert ((found[:, 1] > truth) | (truth > found[:, 2])).sum() <= 29
    assert (found[:, 1] >= 0).all() and (found[:, 2] <= 1).all() and (found[:, 1] < found[:, 2]).all()


def test_bounded_interval_is_students_for_many_values_in_the_middle_and_scales_with_the_range():
    values = np.random.default_rng(0).random(2000)
    ours, students = bounded_interval(values), mean_interval(values)
    assert ours[2] - ours[1] == pytest.approx(students[2] - students[1], rel=0.1)
    scaled = bounded_interval(10 * values - 5, within=(-5, 5))
    np.testing.assert_allclose(scaled, 10 * np.array(ours) - 5, rtol=1e-10)
    assert bounded_interval(values, within=(0, np.inf))[1:] == (pytest.approx(ours[1]), np.inf)
    assert np.isnan(bounded_interval([np.nan])).all()


def test_bounded_intervals_of_many_arrays_are_those_of_each(monkeypatch):
    """Of several sizes, with NaN, without values, more of a size than share a product, and of ends at infinity."""
    monkeypatch.setattr("fmdiag.stats.bounded.AT_ONCE", 3)
    rng = np.random.default_rng(0)
    columns = [*rng.random((5, 40)), rng.random(7), [np.nan, *rng.random(7)], [], [0.5],
               rng.random(40), rng.random(600)]
    within = [(0, 1), (0, 2), (-1, 1), (0, np.inf), (-np.inf, 1), *[(0, 1)] * 6]
    together = bounded_intervals(columns, within)
    apart = [bounded_interval(values, within=ends) for values, ends in zip(columns, within, strict=True)]
    np.testing.assert_allclose(together, apart, rtol=1e-13)
    assert bounded_intervals([], []) == [] and together[3][2] == np.inf and np.isnan(together[7][1:]).all()


def test_clustered_quantile_of_independent_values_is_near_the_order_interval_and_of_repeats_that_of_the_values():
    """400 values, each its own cluster: ranks within two of the binomial ones; 100 of them four times: n* = 100."""
    values = np.random.default_rng(0).normal(size=400)
    ordered = np.sort(values)
    ours, exact = (np.searchsorted(ordered, found) for found in (
        clustered_quantile(values, 0.5, np.arange(400)), quantile_interval(values, 0.5)))
    assert np.abs(ours - exact).max() <= 2
    repeated = clustered_quantile(np.repeat(values[:100], 4), 0.5, np.repeat(np.arange(100), 4))
    ranks = np.searchsorted(np.sort(values[:100]), repeated)
    assert np.abs(ranks - np.searchsorted(np.sort(values[:100]), quantile_interval(values[:100], 0.5))).max() <= 2
    assert np.isnan(clustered_quantile(values[:5], 0.5, np.arange(5))[1:]).all()      # 2^-5 > .025


def test_share_interval_is_clopper_and_pearsons_at_binomial_errors_and_at_the_edges():
    error = np.sqrt(0.3 * 0.7 / 50)
    assert share_interval(0.3, error, 50, freedom=49) == pytest.approx(proportion_interval(15, 50), rel=1e-10)
    assert share_interval(1.0, 0.0, 50, freedom=9) == pytest.approx(proportion_interval(50, 50), rel=1e-10)
    assert share_interval(0.3, 1e-9, 50, freedom=49) == pytest.approx(proportion_interval(15, 50), rel=1e-10)
    wide = share_interval(0.3, 2 * error, 50, freedom=49)
    assert wide[1] < proportion_interval(15, 50)[1] and wide[2] > proportion_interval(15, 50)[2]

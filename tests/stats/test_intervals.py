"""Intervals of means, quantiles and shares against exact limits, scipy and their coverage."""

import numpy as np
import pytest
from scipy import stats

from fmdiag.stats import (
    clustered_share,
    mean_interval,
    median_interval,
    proportion_interval,
    quantile_interval,
    wilson_interval,
)


def test_mean_interval_covers_at_its_level():
    rng = np.random.default_rng(0)
    hits = sum(low <= 1 <= high for _, low, high in (mean_interval(rng.normal(1, 2, 8)) for _ in range(2000)))
    # 2000 tries at 95 %: standard error 0.5 %; four of them.
    assert abs(hits / 2000 - 0.95) < 0.02


def test_clopper_pearson_at_the_edges():
    # At 0 of n the upper limit solves (1 - p)^n = 0.025.
    share, low, high = proportion_interval(0, 20)
    assert (share, low) == (0, 0)
    assert high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert proportion_interval(20, 20)[1] == pytest.approx(0.025 ** (1 / 20))


def test_clustered_share_of_independent_samples_is_the_exact_interval():
    """Each its own cluster: v = p (1 - p) / (n - 1), so n* is n but for the ratio n / (n - 1) that is capped."""
    values = np.arange(50) < 10
    assert clustered_share(values, np.arange(50)) == pytest.approx(proportion_interval(10, 50), rel=0.02)
    assert clustered_share(np.ones(50), np.arange(50)) == pytest.approx(proportion_interval(50, 50))
    few = clustered_share(np.ones(50), np.arange(50) // 10)
    assert few == pytest.approx(proportion_interval(5, 5))


def test_wilson_intervals_are_scipys_and_exact_at_the_edges():
    counts = np.array([0, 1, 17, 40])
    expected = [stats.binomtest(int(k), 40).proportion_ci(0.9, method="wilson") for k in counts]
    share, low, high = wilson_interval(counts, 40, level=0.9)
    np.testing.assert_allclose(share, counts / 40)
    np.testing.assert_allclose(np.stack([low, high], 1), expected, rtol=1e-12)
    assert low[0] == 0 and high[-1] == 1


def test_median_interval_covers_the_median_at_least_at_its_level():
    """500 repeats of 25 exponential values: the coverage, 0.957 by the binomial, has standard error 0.009."""
    rng = np.random.default_rng(0)
    intervals = np.array([median_interval(rng.exponential(size=25)) for _ in range(500)])
    covered = ((intervals[:, 1] <= np.log(2)) & (np.log(2) <= intervals[:, 2])).mean()
    rank = int(stats.binom.ppf(0.025, 25, 0.5))
    expected = 1 - 2 * stats.binom.cdf(rank - 1, 25, 0.5)
    assert expected >= 0.95 and abs(covered - expected) < 4 * 0.009


def test_median_interval_of_few_values_is_unknown():
    assert np.isnan(median_interval([1.0, 2.0, 4.0])[1:]).all() and median_interval([1.0, 2.0, 4.0, 5.0])[0] == 3


def test_quantile_limits_are_the_order_statistics_of_the_binomial():
    """Of 0 ... 199 the 5 % quantile lies between the values whose numbers leave 2.5 % of Binomial(200, .05) outside."""
    value, low, high = quantile_interval(np.arange(200.0), 0.05)
    assert value == 9     # the tenth of 200 values
    assert stats.binom.cdf(low, 200, 0.05) <= 0.025 < stats.binom.cdf(low + 1, 200, 0.05)
    assert stats.binom.sf(high, 200, 0.05) <= 0.025 < stats.binom.sf(high - 1, 200, 0.05)

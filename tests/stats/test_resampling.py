"""Bootstrap and jackknife against what they are exactly for means and variances, and against their coverage."""

import numpy as np
import pytest
from scipy import stats

from fmdiag.stats import (
    bootstrap_interval,
    cluster_bootstrap,
    from_left_out,
    jackknife,
    mean_interval,
    proportion_interval,
)


@pytest.fixture
def values():
    return np.random.default_rng(0).exponential(size=23)


def without(values, statistic):
    return [statistic(np.delete(values, k)) for k in range(len(values))]


def test_the_jackknife_of_a_mean_is_students_interval_and_test(values):
    found = from_left_out(values.mean(), [without(values, np.mean)])
    assert found.interval() == pytest.approx(mean_interval(values), rel=1e-10)
    shifted = from_left_out(values.mean() - 1, [np.array(without(values, np.mean)) - 1])
    expected = stats.ttest_1samp(values, 1, alternative="greater").pvalue
    assert shifted.larger_p() == pytest.approx(expected, rel=1e-10)


def test_the_jackknife_takes_the_bias_from_a_variance(values):
    """The variance with divisor n has bias -1/n of itself, which the correction removes exactly."""
    found = from_left_out(values.var(), [without(values, np.var)])
    assert found.corrected == pytest.approx(values.var(ddof=1), rel=1e-10)
    assert found.interval(corrected=True)[0] == found.corrected


def test_errors_over_two_sets_add_up_as_squares_and_arrays_keep_their_shape(values):
    """The difference of two means, one group a value: Welch's error; two statistics at once are two jackknives."""
    other = values[:9] * 3
    def statistic(a, b):
        return np.array([a.mean() - b.mean(), a.mean()])
    found = jackknife(statistic, [values, other], rng=np.random.default_rng(0), n_groups=23)
    errors = [stats.sem(values), stats.sem(other)]
    np.testing.assert_allclose(found.error, [np.hypot(*errors), errors[0]], rtol=1e-10)
    assert found.freedom == 8 and found.value.shape == (2,)


def test_bootstrap_interval_covers_nearly_at_its_level():
    rng = np.random.default_rng(0)
    hits = sum(low <= 1 <= high for _, low, high in
               (bootstrap_interval(rng.exponential(1, 60), n_resamples=200, seed=k) for k in range(400)))
    # The percentile bootstrap of 60 skewed values covers about 93 %; 400 tries have a standard error of 1.3 %.
    assert 0.88 < hits / 400 < 0.98


def test_clusters_of_one_are_the_bootstrap_and_equal_values_have_their_own_kind(values):
    """1000 resamples of either kind: limits agree to four Monte-Carlo errors, near 0.03 standard errors of the mean."""
    _, low, high, kind = cluster_bootstrap(values, np.arange(23), rng=np.random.default_rng(0))
    assert kind == "cluster_bootstrap"
    assert (low, high) == pytest.approx(bootstrap_interval(values)[1:], abs=0.5 * stats.sem(values))
    together = cluster_bootstrap(values, np.arange(23) // 12, rng=np.random.default_rng(0))
    assert together[0] == values.mean()
    assert cluster_bootstrap(np.ones(5, bool), np.arange(5), rng=None)[3] == "exact"
    assert cluster_bootstrap(np.ones(5), np.arange(5), rng=None)[3] == "none"
    assert cluster_bootstrap(values, np.zeros(23), rng=None)[3] == "none"


@pytest.mark.parametrize("values", [np.zeros(20, bool), np.ones(20, bool)])
def test_the_bootstrap_of_booleans_that_agree_has_the_exact_limits(values):
    assert bootstrap_interval(values) == proportion_interval(values.sum(), 20)

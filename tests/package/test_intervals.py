"""Intervals against published values and against their coverage."""

import numpy as np
import pytest
from scipy import stats

from fmdiag.results import difference_interval, median_interval


@pytest.mark.parametrize(("counts", "low", "high"), [
    ((56, 70, 48, 80), 0.0524, 0.3339),
    ((9, 10, 3, 10), 0.1705, 0.8090),
    ((10, 10, 0, 10), 0.6075, 1.0000),
])
def test_difference_interval_has_the_values_of_newcombe_1998(counts, low, high):
    """Table II of the paper, method 10, four digits."""
    value, *interval = difference_interval(*counts)
    assert value == pytest.approx(counts[0] / counts[1] - counts[2] / counts[3])
    np.testing.assert_allclose(interval, [low, high], atol=5e-5)


def test_difference_interval_changes_sign_with_its_arguments():
    value, low, high = difference_interval(3, 40, 9, 50)
    np.testing.assert_allclose(difference_interval(9, 50, 3, 40), [-value, -high, -low], rtol=1e-12)


def test_median_interval_covers_the_median_at_least_at_its_level():
    """2000 repeats of 25 exponential values: the coverage, 0.957 by the binomial, has standard error 0.0045."""
    rng = np.random.default_rng(0)
    intervals = np.array([median_interval(rng.exponential(size=25)) for _ in range(2000)])
    covered = ((intervals[:, 1] <= np.log(2)) & (np.log(2) <= intervals[:, 2])).mean()
    rank = int(stats.binom.ppf(0.025, 25, 0.5))
    expected = 1 - 2 * stats.binom.cdf(rank - 1, 25, 0.5)
    assert expected >= 0.95 and abs(covered - expected) < 4.5 * 0.0045


def test_median_interval_of_few_values_is_unknown():
    assert np.isnan(median_interval([1.0, 2.0, 4.0])[1:]).all()

"""Differences of means and shares against published values, limiting cases and their coverage."""

import numpy as np
import pytest
from scipy import stats

from fmdiag.stats import difference_interval, excluded_difference, mover, paired_shares, welch


def test_constant_runs_differ_by_a_number_without_a_width():
    assert welch((1.0, 1.0, 1.0, 9), (3.0, 3.0, 3.0, 9)) == (2.0, 2.0, 2.0)


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


def test_mover_of_wilson_intervals_is_newcombes():
    wilson = [stats.binomtest(k, n).proportion_ci(method="wilson") for k, n in ((10, 50), (40, 80))]
    found = mover((0.2, wilson[0].low, wilson[0].high), (0.5, wilson[1].low, wilson[1].high))
    assert found == pytest.approx(difference_interval(40, 80, 10, 50))


def test_paired_shares_without_correlation_are_the_unpaired_ones():
    # 6, 6, 6, 6 units in the four cells: phi = 0, and the formula is that of independent shares of n = 24.
    first, other = np.repeat([1, 1, 0, 0], 6), np.repeat([1, 0, 1, 0], 6)
    assert paired_shares(first, other) == pytest.approx(difference_interval(12, 24, 12, 24))


def test_paired_shares_that_go_together_have_a_narrower_interval():
    first = np.repeat([1, 0, 0], [40, 5, 55])
    other = np.repeat([1, 1, 0], [40, 5, 55])
    value, low, high = paired_shares(first, other)
    _, free_low, free_high = difference_interval(45, 100, 40, 100)
    assert value == pytest.approx(0.05) and 0 < low < value < high
    assert high - low < 0.6 * (free_high - free_low)
    assert paired_shares(other, first) == pytest.approx((-value, -high, -low))


def test_paired_shares_of_nothing_have_an_interval_all_the_same():
    value, low, high = paired_shares(np.zeros(20), np.zeros(20))
    assert value == 0 and low == pytest.approx(-high) and high > 0.1


def test_paired_shares_cover_the_truth():
    """95 % of 400 intervals cover the true difference: Binomial(400, 0.95) lies above 366 with probability 0.999."""
    rng = np.random.default_rng(1)
    truth, covered = 0.15, 0
    for _ in range(400):
        uniform, switch = rng.random((2, 60))
        first = uniform < 0.3
        # Two of ten units change sides independently: shares 0.3 and 0.3 + 0.15.
        other = np.where(switch < 0.3, rng.random(60) < 0.8, first)
        _, low, high = paired_shares(first, other)
        covered += low <= truth <= high
    assert covered > 366


@pytest.mark.parametrize(("share", "null", "n", "null_n"), [
    (0.02, 0.02, 300, 300), (0.0, 0.0, 200, 50), (0.3, 0.1, 80, 200), (0.05, 0.0, 1024, 297)])
def test_the_excluded_difference_misses_the_true_one_at_most_as_often_as_it_says(share, null, n, null_n):
    """By enumeration over both counts: a limit at 95 % may lie below the truth in 5 %, Newcombe's in some more."""
    k, j = np.arange(n + 1), np.arange(null_n + 1)
    weights = np.outer(stats.binom.pmf(k, n, share), stats.binom.pmf(j, null_n, null))
    likely = np.argwhere(weights > 1e-9)
    high = difference_interval(likely[:, 0], n, likely[:, 1], null_n, level=0.9)[2]
    missed = weights[tuple(likely[high < share - null - 1e-12].T)].sum()
    a, b = likely[len(likely) // 2]
    assert excluded_difference(a, n, b, null_n) == max(0.0, high[len(likely) // 2])
    assert missed <= 0.06
    assert excluded_difference(0, n, null_n, null_n) == 0

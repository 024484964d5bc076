"""ROC and AUC: all pairs by hand, ties, separation, coverage of both intervals, true positives at few false ones."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from fmdiag.errors import FmdiagError
from fmdiag.stats import auc, delong_difference, delong_interval, newcombe_auc, roc_curve, tpr_at

INTERVALS = (delong_interval, newcombe_auc)


def scores(seed, m=40, n=60, shift=0.5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=m).round(1) + shift, rng.normal(size=n).round(1)


def test_auc_equals_all_pairs():
    positive, negative = scores(0)
    pairs = np.mean([(p > n) + 0.5 * (p == n) for p, n in itertools.product(positive, negative)])
    assert auc(positive, negative) == pytest.approx(pairs, rel=1e-12)
    for interval in INTERVALS:
        value, low, high = interval(positive, negative)
        assert value == auc(positive, negative) and low < value < high


def test_curve_counts_both_groups_and_its_area_is_the_auc():
    positive, negative = scores(1)
    fpr, tpr, threshold = roc_curve(positive, negative)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1], threshold[0]) == (0, 0, 1, 1, np.inf)
    assert len(threshold) == 1 + len(np.unique(np.r_[positive, negative]))
    np.testing.assert_allclose(tpr, (positive >= threshold[:, None]).mean(1), rtol=1e-12)
    np.testing.assert_allclose(fpr, (negative >= threshold[:, None]).mean(1), rtol=1e-12)
    assert integrate.trapezoid(tpr, fpr) == pytest.approx(auc(positive, negative), rel=1e-12)


def test_variance_is_delongs_by_its_components():
    positive, negative = scores(2, 7, 9)
    compare = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    error = np.sqrt(compare.mean(1).var(ddof=1) / 7 + compare.mean(0).var(ddof=1) / 9)
    area, low, high = delong_interval(positive, negative)
    half = 1.959963984540054 * error / (area * (1 - area))
    assert np.log(high / (1 - high)) - np.log(area / (1 - area)) == pytest.approx(half, rel=1e-9)
    assert np.log(area / (1 - area)) - np.log(low / (1 - low)) == pytest.approx(half, rel=1e-9)


def test_separated_groups_have_an_exact_bound():
    area, low, high = delong_interval(np.arange(30) + 100.0, np.arange(50.0))
    assert (area, high) == (1, 1) and low == pytest.approx(0.025 ** (1 / 30), rel=1e-9)
    assert delong_interval(np.arange(3.0), np.arange(3.0) + 9)[::2] == (0, pytest.approx(1 - 0.025 ** (1 / 3)))


def test_equal_scores_tell_nothing():
    area, low, high = delong_interval(np.zeros(40), np.zeros(40))
    assert area == 0.5 and low < 0.5 < high


def test_separated_groups_have_no_interval_of_width_0():
    members, others = np.arange(16.0) + 100, np.arange(16.0)
    value, low, high = newcombe_auc(members, others)
    assert value == high == 1 and 0.8 < low < 0.95
    assert newcombe_auc(others, members)[:2] == (0, 0)


@pytest.mark.parametrize("interval", INTERVALS)
def test_the_intervals_cover(interval):
    """P(N(1, 1) > N(0, 1)) = Phi(1/sqrt 2) = 0.7602; 300 repetitions: below 269 successes has probability < 1e-4."""
    truth, hits = stats.norm.cdf(np.sqrt(0.5)), 0
    for k in range(300):
        rng = np.random.default_rng([3, k])
        _, low, high = interval(rng.normal(size=40) + 1, rng.normal(size=60))
        hits += low <= truth <= high
    assert 269 <= hits < 300


@pytest.mark.parametrize("positive", [[np.nan, 1], [np.inf, 1], []])
def test_scores_without_an_order_are_refused(positive):
    for function in (*INTERVALS, roc_curve, auc):
        with pytest.raises(FmdiagError, match="finite and not NaN, in both groups"):
            function(positive, [1.0])


def test_true_positives_at_few_false_ones_by_hand():
    """Of 200 negatives two may pass: the threshold is the third largest, 197, and 3 of 50 positives are above."""
    share, low, high = tpr_at(np.arange(150, 200) + 0.5, np.arange(200.0), 0.01)
    assert (share, low, high) == pytest.approx((0.06, *stats.binomtest(3, 50).proportion_ci(0.95, "exact")), rel=1e-9)
    # Ties at the threshold never pass, so that the false positives stay at most that many.
    assert tpr_at(np.ones(10), np.ones(100), 0.01)[0] == 0
    assert np.isnan(tpr_at(np.ones(10), np.zeros(99), 0.01)).all()
    assert np.isnan(tpr_at(np.ones(10), np.zeros(999), 0.001)).all()
    assert tpr_at(np.ones(10), np.zeros(1000), 0.001)[0] == 1


def test_the_difference_of_two_scores_by_hand_and_under_the_null():
    """Structural components by all pairs, their covariance subtracted: DeLong et al. 1988, equation 5."""
    rng = np.random.default_rng(7)
    shared = rng.normal(size=(2, 30))
    first, other = ((shared[0] + noise[0] + 0.8, shared[1] + noise[1]) for noise in rng.normal(size=(2, 2, 30)))
    wins = [np.greater.outer(*one) for one in (first, other)]
    apart = wins[0].mean(1) - wins[1].mean(1), wins[0].mean(0) - wins[1].mean(0)
    error = np.sqrt(sum(part.var(ddof=1) / 30 for part in apart))
    difference = wins[0].mean() - wins[1].mean()
    assert delong_difference(first, other) == pytest.approx(
        (difference, difference - 1.959964 * error, difference + 1.959964 * error,
         stats.norm.sf(difference / error)), rel=1e-6)
    same, low, high, p = delong_difference(first, first)
    assert same == 0 and low < 0 < high and p == 1
    # 300 nulls of two equally good scores: more than 28 below .05 has probability < .1 % at 5 %.
    drawn = rng.normal(size=(300, 2, 2, 25)) + [[0.5], [0.0]]
    assert sum(delong_difference(*map(tuple, scores))[3] <= 0.05 for scores in drawn) <= 28

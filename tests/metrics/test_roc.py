"""ROC and AUC: all pairs by hand, scikit-learn, ties, separation, coverage."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as peer_curve

from fmdiag.errors import FmdiagError
from fmdiag.metrics.roc import auc_interval, roc_curve


def scores(seed, m=40, n=60, shift=0.5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=m).round(1) + shift, rng.normal(size=n).round(1)


def test_auc_equals_all_pairs_and_scikit_learn():
    positive, negative = scores(0)
    pairs = np.mean([(p > n) + 0.5 * (p == n) for p, n in itertools.product(positive, negative)])
    labels = np.r_[np.ones(40), np.zeros(60)]
    assert auc_interval(positive, negative)[0] == pytest.approx(pairs, rel=1e-12)
    assert pairs == pytest.approx(roc_auc_score(labels, np.r_[positive, negative]), rel=1e-12)


def test_curve_equals_scikit_learn_and_its_area_is_the_auc():
    positive, negative = scores(1)
    fpr, tpr, threshold = roc_curve(positive, negative)
    peer = peer_curve(np.r_[np.ones(40), np.zeros(60)], np.r_[positive, negative], drop_intermediate=False)
    for ours, theirs in zip((fpr, tpr, threshold), peer, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert np.trapezoid(tpr, fpr) == pytest.approx(auc_interval(positive, negative)[0], rel=1e-12)


def test_variance_is_delongs_by_its_components():
    positive, negative = scores(2, 7, 9)
    compare = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    error = np.sqrt(compare.mean(1).var(ddof=1) / 7 + compare.mean(0).var(ddof=1) / 9)
    auc, low, high = auc_interval(positive, negative)
    half = 1.959963984540054 * error / (auc * (1 - auc))
    assert np.log(high / (1 - high)) - np.log(auc / (1 - auc)) == pytest.approx(half, rel=1e-9)
    assert np.log(auc / (1 - auc)) - np.log(low / (1 - low)) == pytest.approx(half, rel=1e-9)


def test_separated_groups_have_an_exact_bound():
    auc, low, high = auc_interval(np.arange(30) + 100.0, np.arange(50.0))
    assert (auc, high) == (1, 1) and low == pytest.approx(0.025 ** (1 / 30), rel=1e-9)
    assert auc_interval(np.arange(3.0), np.arange(3.0) + 9)[::2] == (0, pytest.approx(1 - 0.025 ** (1 / 3)))


def test_equal_scores_tell_nothing():
    auc, low, high = auc_interval(np.zeros(40), np.zeros(40))
    assert auc == 0.5 and low < 0.5 < high


def test_the_interval_covers():
    """P(N(1, 1) > N(0, 1)) = Phi(1/sqrt 2) = 0.7602; 300 repetitions: below 269 successes has probability < 1e-4."""
    hits = 0
    for k in range(300):
        rng = np.random.default_rng([3, k])
        _, low, high = auc_interval(rng.normal(size=40) + 1, rng.normal(size=60))
        hits += low <= 0.7602499 <= high
    assert hits >= 269


def test_nan_and_empty_groups_are_refused():
    for positive in ([np.nan, 1], []):
        with pytest.raises(FmdiagError, match="not NaN, in both groups"):
            auc_interval(positive, [1.0])

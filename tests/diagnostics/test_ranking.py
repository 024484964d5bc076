"""AUC against scikit-learn and scipy, intervals against their coverage, Holm against its own example."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from fmdiag.diagnostics.membership.ranking import auc, bootstrap_auc, holm, larger_p, newcombe_auc, roc

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("digits", [1, 8])
def test_auc_is_scikit_learns_with_and_without_ties(digits):
    members, others = np.round(RNG.normal(0.5, 1, 40), digits), np.round(RNG.normal(0, 1, 70), digits)
    truth, scores = np.r_[np.ones(40), np.zeros(70)], np.r_[members, others]
    assert auc(members, others) == pytest.approx(roc_auc_score(truth, scores), rel=1e-12)
    fpr, tpr = roc(members, others)
    theirs = roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(fpr, theirs[0])
    np.testing.assert_allclose(tpr, theirs[1])


def test_separated_groups():
    members, others = np.arange(16.0) + 100, np.arange(16.0)
    assert bootstrap_auc(members, others) == (1, 1, 1)
    value, low, high = newcombe_auc(members, others)
    assert value == high == 1 and 0.8 < low < 0.95
    assert newcombe_auc(others, members)[:2] == (0, 0)
    # One order of all C(32, 16) is as extreme.
    assert larger_p(members, others) == pytest.approx(1 / 601080390, rel=1e-6)
    assert larger_p(np.zeros(4), np.zeros(4)) == 1


@pytest.mark.parametrize("interval", [bootstrap_auc, newcombe_auc])
def test_coverage_is_near_nominal(interval):
    """300 draws of two normal laws at distance 1, true AUC Phi(1/sqrt 2): 95 % +- 3.8 % (3 standard errors)."""
    truth = stats.norm.cdf(np.sqrt(0.5))
    found = [interval(RNG.normal(1, 1, 30), RNG.normal(0, 1, 30)) for _ in range(300)]
    covered = np.mean([low <= truth <= high for _, low, high in found])
    assert 0.90 < covered < 0.99


def test_holm_by_hand():
    # Ascending .01, .02, .03, .04 times 4, 3, 2, 1, never falling.
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]).tolist() == [1, 1]

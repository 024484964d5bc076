"""FLD: one center in closed form, the optimality condition, monotone likelihood, copies and perfect samplers."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp

from fmdiag.metrics.fld import fit_variances, measure, negative_log_likelihood


def gaussian(n, dim, *seed):
    return np.random.default_rng(seed).normal(size=(n, dim))


def rows(*sets, **options):
    return measure(*sets, generator=torch.Generator().manual_seed(0), **options).set_index("metric")


def test_one_center_has_the_mean_square_as_its_variance():
    x, center = gaussian(200, 3, 0), np.array([[0.5, 0, 0]])
    assert fit_variances(center, x) == pytest.approx(np.square(x - center).mean(), rel=1e-10)


def test_likelihood_is_that_of_the_mixture():
    x, centers, v = gaussian(20, 2, 0), gaussian(5, 2, 1), np.array([0.1, 1, 2, 0.5, 3])
    density = sum(stats.multivariate_normal(c, s).pdf(x) for c, s in zip(centers, v, strict=True)) / 5
    np.testing.assert_allclose(negative_log_likelihood(x, centers, v), -np.log(density) / 2, rtol=1e-10)


def test_fitted_variances_are_stationary():
    """v_j = sum r d² / (dim sum r) to the tolerance of the last step: the likelihood's gradient vanishes."""
    x, centers = gaussian(400, 2, 0), gaussian(30, 2, 1)
    v = fit_variances(centers, x)
    best = negative_log_likelihood(x, centers, v).mean()
    d2 = np.square(x[:, None] - centers).sum(-1)
    log_r = -d2 / 2 / v - np.log(v)
    r = np.exp(log_r - logsumexp(log_r, axis=1, keepdims=True))
    again = (r * d2).sum(0) / 2 / r.sum(0)
    assert abs(negative_log_likelihood(x, centers, again).mean() - best) < 2e-5
    for factor in (0.7, 1.4):
        assert negative_log_likelihood(x, centers, v * factor).mean() > best


def test_a_perfect_sampler_scores_about_zero_and_its_gap_is_small():
    found = rows(gaussian(250, 5, 0), gaussian(500, 5, 1), gaussian(250, 5, 2))
    assert found.loc["fld", "low"] < 0 < found.loc["fld", "high"]
    assert -10 < found.loc["fld_gap", "value"] < 1


def test_copies_give_a_gap_far_below_zero_and_scale_changes_nothing():
    train, test, samples = gaussian(500, 5, 1), gaussian(250, 5, 2), gaussian(250, 5, 0)
    samples[:25] = train[:25]
    copied = rows(samples, train, test)
    assert copied.loc["fld_gap", "high"] < -20
    scaled = rows(*(x * 1000.0 + 7 for x in (samples, train, test)))
    # Copies stay copies in float64 only up to rounding of 1000 x + 7, which the floor of the variance does not see.
    assert scaled.loc["fld", "value"] == pytest.approx(copied.loc["fld", "value"], abs=0.1)


def test_a_worse_sampler_scores_higher():
    train, test = gaussian(400, 5, 1), gaussian(200, 5, 2)
    scores = [rows(gaussian(200, 5, 3) + shift, train, test).loc["fld", "value"] for shift in (0, 1.5, 4)]
    assert scores[0] < scores[1] < scores[2]


def test_constant_features_do_not_count():
    sets = gaussian(100, 3, 0), gaussian(200, 3, 1), gaussian(100, 3, 2)
    constant = [np.hstack([x, np.ones((len(x), 2))]) for x in sets]
    assert rows(*constant)["value"].tolist() == pytest.approx(rows(*sets)["value"].tolist(), rel=1e-12)

"""FLD: one center in closed form, the optimality condition, monotone likelihood, copies and perfect samplers."""

import numpy as np
import pytest
import torch
from scipy import optimize, stats
from scipy.special import logsumexp

from fmdiag.metrics.fld import _with_splits, fit_variances, measure, negative_log_likelihood
from fmdiag.stats.resampling import Estimate


def gaussian(n, dim, *seed):
    return np.random.default_rng(seed).normal(size=(n, dim))


def rows(*sets, **options):
    return measure(*sets, generator=torch.Generator().manual_seed(0), **options).set_index("metric")


def fitted_likelihood(logs, x, centers):
    """The fld package's objective: -log of 1/n sum_j N(c_j, v_j) + N at the mean, distances to the mean times .81."""
    n, dim = centers.shape
    d2 = np.hstack([np.square(x[:, None] - centers).sum(-1), 0.81 * np.square(x - x.mean(0)).sum(1)[:, None]])
    terms = -d2 / 2 / np.exp(logs) - dim / 2 * (logs + np.log(2 * np.pi))
    return -logsumexp(terms + np.append(np.full(n, -np.log(n)), 0.0), axis=1).mean() / dim


def test_variances_are_those_of_a_general_optimiser():
    """BFGS over the logarithms of all variances, that of the component at the mean included, from the same start."""
    x, centers = gaussian(150, 2, 0), gaussian(4, 2, 1)
    d2 = np.square(x[:, None] - centers).sum(-1)
    found = optimize.minimize(fitted_likelihood, np.append(np.log((d2.min(0) + 1e-3) / 2), 0.0), (x, centers))
    ours = fit_variances(centers, x)
    own = optimize.minimize_scalar(lambda log: fitted_likelihood(np.append(np.log(ours), log), x, centers))
    assert own.fun <= found.fun + 1e-3      # steps end at a gain of 1e-5 each


def test_likelihood_is_that_of_the_mixture():
    x, centers, v = gaussian(20, 2, 0), gaussian(5, 2, 1), np.array([0.1, 1, 2, 0.5, 3])
    density = sum(stats.multivariate_normal(c, s).pdf(x) for c, s in zip(centers, v, strict=True)) / 5
    np.testing.assert_allclose(negative_log_likelihood(x, centers, v), -np.log(density) / 2, rtol=1e-10)


@pytest.mark.parametrize("dim", [2, 5, 32])
def test_fault_3_7_fld_rises_with_the_share_of_copies(dim):
    """From no copy over half and nine tenths to a pure copier, whose p explains nothing but its own rows."""
    train, test, scores = gaussian(200, dim, 1), gaussian(100, dim, 2), []
    for share in (0, 50, 90, 100):
        samples = gaussian(100, dim, 0)
        samples[:share] = train[:share]
        scores.append(rows(samples, train, test).loc["fld", "value"])
    assert scores[0] < scores[1] < scores[2] < scores[3]
    assert scores[3] > 10 * scores[2] > 100


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


def test_fault_3_7_the_interval_holds_the_spread_over_baselines_and_covers():
    """Equal distributions in 3 dimensions; the truth is the mean of the values found, its standard error 1/5 of theirs.

    Of 30 intervals at least 24 hold it (probability of fewer at .95: 6e-4).
    """
    found = np.array([measure(gaussian(40, 3, 0, k), gaussian(90, 3, 1, k), gaussian(50, 3, 2, k),
                              generator=torch.Generator().manual_seed(k))[["value", "low", "high"]].loc[0]
                      for k in range(30)])
    truth = found[:, 0].mean()
    assert ((found[:, 1] <= truth) & (truth <= found[:, 2])).sum() >= 24
    sets = gaussian(40, 3, 0), gaussian(90, 3, 1), gaussian(50, 3, 2)
    baselines = np.array([1.0, 1.2, 0.9, 1.1])
    estimate = _with_splits(Estimate(0.0, 0.3, 0.0, 19), baselines)
    assert estimate.error == pytest.approx(np.hypot(0.3, baselines.std(ddof=1) / 2), rel=1e-12)
    assert 3 < estimate.freedom < 22 and len(rows(*sets)) == 2

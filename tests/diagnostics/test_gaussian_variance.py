"""Gradient variance between Gaussians: the reference table, exact integration, and conditional expectations."""

import itertools

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid

from fmdiag.diagnostics.gradient_variance import gaussian as gaussian_variance
from fmdiag.diagnostics.gradient_variance.gaussian_moments import moments_at, pooled_moments
from fmdiag.errors import FmdiagError
from fmdiag.fields import GaussianFlow
from fmdiag.fields.gaussian import INDEPENDENT, rotation, square_root
from fmdiag.training.interpolants import Interpolant

MEAN, COVARIANCE = torch.zeros(2).double(), torch.diag(torch.tensor([2.25, 0.25])).double()
SKEWED = torch.tensor([[2.0, 0.5, 0.1], [0.5, 1.0, -0.2], [0.1, -0.2, 0.4]]).double()

# Reference (derived): M = diag(2.25, 0.25); v = theta + Theta (I + t Theta)^-1 (x - t theta), its noise-free member at
# every sigma; L summed over coordinates; t uniform in [0, 1]; mu does not matter. The reference numbers are Monte-Carlo
# means of heavy-tailed squares; the exact values are within 3.5 % of all of them: 77.318, 48.882, 32.887, 0.03872,
# 0.2689, 9.606.
REFERENCE = [(120.0, 0.0, 0.0, 77.6), (INDEPENDENT, 0.0, 0.0, 48.5), (60.0, 0.0, 0.0, 33.8),
             (0.0, 0.0, 0.05, 0.040), (60.0, 60.0, 0.05, 0.27), (120.0, 120.0, 0.05, 9.6)]


@pytest.mark.parametrize(("coupling", "field", "sigma", "expected"), REFERENCE)
def test_the_reference_table(coupling, field, sigma, expected):
    found = pooled_moments(GaussianFlow(MEAN, COVARIANCE, field), coupling, Interpolant(sigma)).variance
    assert found == pytest.approx(expected, rel=0.035)
    shifted = pooled_moments(GaussianFlow(MEAN + 3, COVARIANCE, field), coupling, Interpolant(sigma), n_nodes=100)
    assert shifted.variance == pytest.approx(found, rel=1e-6)


@pytest.mark.parametrize("angle", [0.0, 60.0, 120.0, 180.0])
def test_p1_the_own_field_of_a_map_has_no_loss_and_no_variance(angle):
    """Not by the rule that says 0: the moments themselves vanish, away from crossing times."""
    flow = GaussianFlow(MEAN, COVARIANCE, angle)
    for t in (0.0, 0.3, 0.55, 0.9, 1.0):
        found = moments_at(flow, angle, t)
        assert found.second < 1e-20 and found.mean.abs().max() < 1e-12
    assert pooled_moments(flow, angle).variance == 0


def gauss_hermite(n_variables):
    """Return nodes (k, n) and weights (k,) that integrate polynomials of degree 5 in N(0, I) exactly: 3 points each."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    grid = np.array(list(itertools.product(nodes, repeat=n_variables)))
    mass = np.array([np.prod(w) for w in itertools.product(weights / weights.sum(), repeat=n_variables)])
    return torch.from_numpy(grid), torch.from_numpy(mass)


@pytest.mark.parametrize(("coupling", "field", "field_sigma", "sigma", "noise"), [
    (120.0, 0.0, 0.0, 0.0, "constant"), (INDEPENDENT, 60.0, 0.0, 0.1, "constant"), (60.0, 60.0, 0.3, 0.3, "constant"),
    (INDEPENDENT, 120.0, 0.2, 0.2, "bridge"), (30.0, INDEPENDENT, 0.0, 0.0, "constant"),
    (INDEPENDENT, INDEPENDENT, 0.2, 0.2, "constant")])
def test_moments_against_exact_integration_of_autograd_gradients(coupling, field, field_sigma, sigma, noise):
    """The integrands are polynomials of degree 4 in six normal variables: three Gauss-Hermite nodes each are exact."""
    covariance = SKEWED[:2, :2]
    flow, t = GaussianFlow(MEAN + 1, covariance, field, field_sigma), 0.37
    interpolant = Interpolant(sigma, noise)
    z, mass = gauss_hermite(6)
    x0, e, w = z.split(2, dim=1)
    root = square_root(covariance)
    x1 = 1 + (e @ root if coupling == INDEPENDENT else x0 @ (root @ rotation(2, coupling)).T)
    xt = interpolant.point(x0, x1, t, w)
    target = interpolant.target("velocity", x0, x1, xt, t, w)

    def loss(parameters, x, u):
        v = torch.func.functional_call(flow, parameters, (x[None], torch.tensor([t], dtype=torch.float64)))
        return (v[0] - u).square().sum()

    gradients = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(dict(flow.named_parameters()), xt, target)
    g = torch.cat([gradients["theta"], gradients["matrix"].flatten(1)], 1).detach()
    found = moments_at(flow, coupling, t, interpolant)
    assert found.second == pytest.approx(float(mass @ g.square().sum(1)), rel=1e-9)
    assert torch.allclose(found.mean, mass @ g, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.0, 0.3])
@pytest.mark.parametrize("coupling", [0.0, 70.0, 200.0, INDEPENDENT])
def test_fields_are_conditional_expectations(coupling, sigma):
    """For jointly Gaussian (x1 - x0, x_t) the regression is Cov(x1 - x0, x_t) Cov(x_t)^-1, in any dimension."""
    t, eye = 0.6, torch.eye(3).double()
    flow = GaussianFlow(torch.tensor([1.0, -2.0, 0.5]), SKEWED, coupling, sigma)
    cross = torch.zeros(3, 3).double() if coupling == INDEPENDENT else flow.transport()      # Cov(x1, x0)
    velocity_point = t * SKEWED + (1 - t) * cross - t * cross.T - (1 - t) * eye
    point = (1 - t) ** 2 * eye + t**2 * SKEWED + t * (1 - t) * (cross + cross.T) + sigma**2 * eye
    with torch.no_grad():
        gain = flow.gain(torch.tensor([t], dtype=torch.float64))[0]
        centre = flow(t * flow.theta[None], torch.tensor([t], dtype=torch.float64))[0]
    assert torch.allclose(gain, velocity_point @ torch.linalg.inv(point), rtol=1e-9, atol=1e-9)
    assert torch.allclose(centre, flow.mean)


def test_lines_cross_where_the_matrix_is_singular():
    assert GaussianFlow(MEAN, torch.eye(2), 180.0).crossing_times() == [0.5]
    assert GaussianFlow(MEAN, COVARIANCE, 180.0).crossing_times() == pytest.approx([0.4, 2 / 3])
    assert GaussianFlow(MEAN, torch.eye(2), 120.0).crossing_times() == []
    assert GaussianFlow(MEAN, torch.eye(2), 180.0, 0.05).crossing_times() == []
    assert np.isinf(pooled_moments(GaussianFlow(MEAN, COVARIANCE, 180.0), 0.0).variance)


def test_the_sampled_table_agrees_with_the_exact_one(monkeypatch):
    """Nine cells of 400 heavy-tailed samples: five standard errors leave room for all of them."""
    monkeypatch.setattr(gaussian_variance, "cells", lambda *law, every=gaussian_variance.cells: every(*law)[9:])
    generator = torch.Generator().manual_seed(0)
    choices = {"angles": (0.0, 60.0), "sigmas": (0.05,)}
    table = gaussian_variance.measure(MEAN, COVARIANCE, **choices, n_samples=400, generator=generator)
    summary = gaussian_variance.summarise(table, MEAN, COVARIANCE, **choices).set_index(gaussian_variance.KEYS)
    exact = summary[summary["quantity"] == "exact_variance"]["value"]
    sampled = summary[summary["quantity"] == "variance"]
    assert len(sampled) == 9
    error = (sampled["high"] - sampled["low"]) / (2 * 1.966)
    assert ((sampled["value"] - exact).abs() < 5 * error).all()


def test_the_exact_curve_integrates_to_the_pooled_value():
    curve = gaussian_variance.curves(MEAN, COVARIANCE, angles=(0.0, 120.0), sigmas=(0.0,))
    rows = curve[(curve["coupling"] == "120°") & (curve["field"] == "ot")]
    flow = GaussianFlow(MEAN, COVARIANCE)
    second = rows["variance"] + rows["squared_mean"]
    # Trapezium rule on 51 points of a smooth function: 1e-3.
    assert trapezoid(second, rows["t"]) == pytest.approx(pooled_moments(flow, 120.0).second, rel=2e-3)
    own = curve[(curve["coupling"] == curve["field"]) & (curve["field"] != "independent")]
    assert (own["variance"] == 0).all()


@pytest.mark.parametrize(("mean", "covariance", "sigma", "words"), [
    ([0.0], [[1.0, 0.0], [0.0, 1.0]], 0.0, "shapes"), ([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], 0.0, "positive definite"),
    ([0.0, 0.0], [[1.0, float("nan")], [0.0, 1.0]], 0.0, "positive definite"),
    ([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]], -1.0, "sigma must be 0 or more")])
def test_bad_gaussians_are_refused(mean, covariance, sigma, words):
    with pytest.raises(FmdiagError, match=words):
        GaussianFlow(mean, covariance, 0.0, sigma)


def test_fault_4_4_a_ratio_of_rounding_to_rounding_is_null():
    """A coupling under its own field has gradients of rounding only: their variance over their mean is no number."""
    options = {"angles": (0.0, 60.0), "sigmas": (0.0,)}
    table = gaussian_variance.measure(MEAN, COVARIANCE, **options, n_samples=50,
                                      generator=torch.Generator().manual_seed(0))
    own = [(name, name) for name in ("ot", "60°")]
    rounding = table.set_index(["coupling", "field"]).index.isin(own)
    assert table.loc[rounding, "squared_norm"].max() < 1e-25
    table.loc[rounding, ["squared_norm", "inner"]] = 2e-31, 1e-31   # a mean clearly above 0, as in some seeds
    rows = gaussian_variance.summarise(table, MEAN, COVARIANCE, **options)
    ratio = rows[rows["quantity"] == "relative_variance"].set_index(["coupling", "field"])["value"]
    assert ratio[own].isna().all() and ratio[[("ot", "60°"), ("60°", "ot")]].notna().all()

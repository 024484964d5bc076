"""Symmetry breaking: Gaussian data, two points, the posterior's rows, and power iteration, each in closed form."""

import numpy as np
import pytest
import torch

import fmdiag
from fmdiag import ClosedFormField, TrainingSet
from fmdiag.diagnostics.symmetry import closed_form, measure, power
from fmdiag.fields import GaussianFlow
from fmdiag.fields.gaussian import INDEPENDENT

TWO = TrainingSet(np.array([[1.5, 0.0], [-1.5, 0.0]], np.float32))
TIMES = [0.2, 0.35, 0.5, 0.8]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def of(table, **keys):
    for name, value in keys.items():
        table = table[table[name] == value]
    return table


def test_gaussian_data_has_its_largest_gain_and_never_breaks():
    """t Lambda / (t² Lambda + (1 - t)²) on every trajectory, Lambda the largest variance, .3 the other."""
    flow = GaussianFlow(torch.zeros(2), torch.diag(torch.tensor([2.0, 0.3])), INDEPENDENT)
    points = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    table = measure.measure(flow, TrainingSet(points), times=TIMES, n_noises=3, generator=generator())
    table = of(table, field="model")
    t = table["t"]
    # float32 velocities: products of about 1e-6; power iteration adds the square of its residual of at most 1e-2.
    np.testing.assert_allclose(table["eigenvalue"], t * 2 / (t**2 * 2 + (1 - t) ** 2), rtol=1e-3)
    assert (table["alpha_eigenvalue"] < 1).all() and set(table["derivative"]) == {"forward"}
    rows = measure.summarise(table)
    never = rows[rows["quantity"] == "breaking_time"]
    assert never["value"].isna().all() and never["note"].str.contains("do not break by t = 0.8").all()


@pytest.mark.parametrize("path", [fmdiag.LinearPath(), fmdiag.CosinePath()])
def test_two_points_by_the_hyperbolic_tangent(path):
    """D = m tanh(alpha m x / sigma²): dD/dx = (alpha m² / sigma²) (1 - tanh²), along the line through both."""
    u_star = ClosedFormField(TWO, path)
    x = torch.tensor([[0.0, 0.3], [0.2, -1.0], [0.9, 0.0]], dtype=torch.float64)
    for t in TIMES:
        alpha, sigma = (part(torch.tensor(t, dtype=torch.float64)) for part in (path.alpha, path.sigma))
        found, residual = closed_form.top_eigenvalue(u_star, x, t)
        exact = alpha * 1.5**2 / sigma**2 * (1 - torch.tanh(alpha * 1.5 * x[:, 0] / sigma**2) ** 2)
        torch.testing.assert_close(found, exact, rtol=1e-9, atol=1e-12)
        assert (residual == 0).all()


def test_the_symmetry_of_two_points_breaks_where_alpha_m_is_sigma():
    """t = 1 / (1 + m) = .4 from the centre, which both trajectories never leave; û* as the model by differences."""
    times = np.round(np.arange(0.3, 0.5, 0.02), 3)
    table = measure.measure(ClosedFormField(TWO), TWO, times=times, n_noises=2, generator=generator())
    centre = of(table, kind="centre")
    np.testing.assert_allclose(centre["eigenvalue"], centre["t"] * 1.5**2 / (1 - centre["t"]) ** 2, rtol=1e-5)
    rows = of(measure.summarise(table), quantity="breaking_time", kind="centre")
    assert len(rows) == 3 and rows["value"].to_numpy() == pytest.approx(0.4, abs=2e-3)   # a chord over .02
    assert (rows["low"] <= 0.4).all() and (rows["high"] >= 0.4).all() and (rows["high"] - rows["low"] < 0.021).all()


@pytest.mark.parametrize("exactly", [True, False])
def test_the_closed_form_is_the_derivative_of_its_posterior_mean(exactly, monkeypatch):
    """Central differences of D in float64, and power iteration over the rows where there are too many."""
    if not exactly:
        monkeypatch.setattr(closed_form, "SIDE", 3)
        monkeypatch.setattr(closed_form, "BLOCK_ROWS", 200)
    rows = np.random.default_rng(1).normal(size=(40, 5)).astype(np.float32)
    u_star, x = ClosedFormField(TrainingSet(rows)), torch.randn(3, 5, generator=generator(), dtype=torch.float64)
    for t in (0.3, 0.7):
        found, residual = closed_form.top_eigenvalue(u_star, x, t)
        step = 1e-5 * torch.eye(5, dtype=torch.float64)
        for b in range(3):
            low, high = (u_star.posterior(x[b] + sign * step, t).mean for sign in (-1, 1))
            jacobian = ((high - low) / 2e-5).T
            torch.testing.assert_close(jacobian, jacobian.T, rtol=1e-5, atol=1e-6)
            assert found[b].item() == pytest.approx(torch.linalg.eigvalsh(jacobian)[-1].item(), rel=1e-4, abs=1e-6)
        assert exactly == bool((residual == 0).all())


def test_power_iteration_on_known_matrices():
    """Symmetric, without symmetry, and 0; eigenvalues are returned with residuals that prove them."""
    q = torch.linalg.qr(torch.randn(6, 6, generator=generator(), dtype=torch.float64))[0]
    symmetric = q @ torch.diag(torch.tensor([3.0, 2.9, 1, 0.5, 0.1, -1]).double()) @ q.T
    skewed = torch.linalg.inv(q + 0.3) @ torch.diag(torch.tensor([2.0, 1, 0.5, 0.4, 0.2, 0.1]).double()) @ (q + 0.3)
    matrices = torch.stack([symmetric, skewed, torch.zeros(6, 6, dtype=torch.float64)])
    start = torch.randn(3, 4, 6, generator=generator(1), dtype=torch.float64)
    values, residuals, _ = power.top_eigenvalues(lambda u: u @ matrices.mT, start, tolerance=1e-8, most=200)
    torch.testing.assert_close(values, torch.tensor([3.0, 2.0, 0.0]).double(), rtol=1e-7, atol=1e-9)
    assert (residuals < 1e-7).all()


def test_what_memorises_stops_responding_and_a_denoiser_of_the_distribution_does_not():
    digits = fmdiag.load_dataset("digits", n=30)
    table = measure.measure(lambda x, t: x * ((2 * t - 1) / ((1 - t) ** 2 + t**2)).reshape(-1, 1, 1, 1), digits,
                            times=[0.9], n_noises=3, generator=generator())
    assert of(table, field="closed_form", states="closed_form")["eigenvalue"].max() < 1e-3
    # Of N(0, I) data: t / (t² + (1 - t)²) = 1.098.
    np.testing.assert_allclose(of(table, field="model")["eigenvalue"], 0.9 / 0.82, rtol=5e-3)


def test_diverging_trajectories_are_left_out_and_counted():
    def bursts(x, t):
        return torch.where((x.flatten(1)[:, :1] > 0.1).reshape(-1, 1), torch.full_like(x, torch.nan), -x)

    with pytest.warns(fmdiag.errors.FmdiagWarning, match="trajectories diverged"):
        table = measure.measure(bursts, TWO, times=[0.5], n_noises=8, generator=generator())
    assert 0 in set(table["start"]) and len(set(table["start"])) < 9 and table["eigenvalue"].notna().all()

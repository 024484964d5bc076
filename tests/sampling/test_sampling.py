"""Integration: û* lands on training rows; order of the methods; a seed per sample."""

import math

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.fields import ClosedFormField, HybridField
from fmdiag.paths import CosinePath, LinearPath, VPPath
from fmdiag.sampling import METHODS, closed_form_samples, draw_noise, integrate, sample, time_grid


def distance_to_rows(x, training_set):
    difference = x.double()[:, None] - training_set[:].double()[None]
    return difference.square().flatten(2).sum(2).sqrt().min(1).values


@pytest.mark.parametrize("path", [LinearPath(), CosinePath(), VPPath()], ids=lambda path: path.name)
def test_closed_form_ends_on_training_rows_of_images(path):
    images = np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), dtype=np.uint8)
    data = TrainingSet(images, 127.5, -1.0)
    x0 = draw_noise(64, data.shape, generator=torch.Generator().manual_seed(0))
    x = sample(ClosedFormField(data, path), x0, n_steps=100)
    assert distance_to_rows(x, data).max() < 1e-5


def test_closed_form_ends_on_training_rows_in_two_dimensions():
    """Rows 10^-3 apart: a uniform grid of 100 steps ends between them, the geometric one does not."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 5000)
    data = TrainingSet(np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32))
    x0 = draw_noise(128, data.shape, generator=torch.Generator().manual_seed(0))
    u_star = ClosedFormField(data)
    assert distance_to_rows(closed_form_samples(u_star, x0), data).max() < 1e-5
    uniform = integrate(u_star, x0, time_grid(100))
    assert distance_to_rows(uniform, data).max() > 1e-4


def test_duplicates_do_not_keep_a_sample_from_landing():
    rows = np.repeat(np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32), 3, axis=0)
    data = TrainingSet(rows)
    x0 = draw_noise(50, data.shape, generator=torch.Generator().manual_seed(1))
    assert distance_to_rows(closed_form_samples(ClosedFormField(data), x0), data).max() < 1e-5


def test_each_method_has_its_order():
    """dx/dt = -2 t x has x(1) = x0 / e; halving the step divides the error by 2^order, to within 20 %."""
    def field(x, t):
        return -2 * t[:, None] * x

    x0 = torch.ones(1, 1, dtype=torch.float64)
    for method, order in {"euler": 1, "midpoint": 2, "heun2": 2, "rk4": 4}.items():
        errors = [abs(sample(field, x0, n, method).item() - math.exp(-1)) for n in (20, 40)]
        assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.2), method
    assert sample(field, x0, method="dopri5").item() == pytest.approx(math.exp(-1), abs=1e-4)


def test_hybrid_changes_field_at_tau():
    """One row at 0 under û* until 0.3, then a constant field: the answer by hand is 0.7 x0 + 0.7."""
    u_star = ClosedFormField(TrainingSet(np.zeros((1, 2), np.float32)))
    x0 = torch.tensor([[1.0, -2.0]])
    constant = lambda x, t: torch.ones_like(x)  # noqa: E731
    for method in METHODS:
        x = sample(HybridField(u_star, constant, 0.3), x0, n_steps=7, method=method)
        torch.testing.assert_close(x, 0.7 * x0 + 0.7, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sample(HybridField(u_star, constant, 1.0), x0), torch.zeros(1, 2))
    torch.testing.assert_close(sample(HybridField(u_star, constant, 0.0), x0), x0 + 1)
    v = HybridField(u_star, constant, 0.5)(x0.expand(2, 2), torch.tensor([0.25, 0.5]))
    torch.testing.assert_close(v, torch.stack([-x0[0] / 0.75, torch.ones(2)]))


def test_noise_has_a_seed_per_sample():
    whole = draw_noise(10, (3,), generator=torch.Generator().manual_seed(5))
    part = draw_noise(4, (3,), generator=torch.Generator().manual_seed(5), start=6)
    assert torch.equal(whole[6:], part)
    many = draw_noise(4000, (4,), generator=torch.Generator().manual_seed(0))
    # Mean and variance of 16 000 standard normals: five standard errors are 5 / sqrt(16000) and 5 sqrt(2 / 16000).
    assert abs(many.mean()) < 0.04 and abs(many.var() - 1) < 0.056
    assert len(torch.unique(many[:, 0])) == 4000


@pytest.mark.parametrize(("field", "arguments", "words"), [
    (lambda x, t: x[:1], {}, "returned shape"),
    (lambda x, t: x * torch.nan, {}, "not finite"),
    (lambda x, t: x, {"method": "eulre"}, "unknown method"),
    (lambda x, t: x, {"n_steps": 0}, "n_steps"),
])
def test_wrong_integrations_are_refused(field, arguments, words):
    with pytest.raises(FmdiagError, match=words):
        sample(field, torch.zeros(3, 2), **arguments)


def test_tau_outside_the_unit_interval_is_refused():
    with pytest.raises(FmdiagError, match="tau must be in"):
        HybridField(None, None, 1.2)

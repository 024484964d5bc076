"""Hybrid trajectories: tau = 0 is the model, tau = 1 is the training set, and what lies between by hand."""

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.hybrid import measure as hybrid
from fmdiag.errors import FmdiagError
from fmdiag.fields import ClosedFormField
from fmdiag.sampling import draw_noise, sample


def images(n=30, side=4, seed=0):
    return TrainingSet(np.random.default_rng(seed).integers(0, 256, (n, 1, side, side), dtype=np.uint8), 127.5, -1.0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def still(x, t):
    """A model that leaves everything where it is."""
    return torch.zeros_like(x)


def test_tau_one_returns_training_rows_and_tau_zero_is_the_model():
    data = images()
    samples = hybrid.sample_hybrids(still, data, taus=[0, 1], n_samples=12, generator=generator())
    x0 = draw_noise(12, data.shape, generator=generator())
    assert torch.equal(samples[0.0], x0)
    table = hybrid.tabulate(samples, data)
    assert table.loc[table["tau"] == 1, "distance"].max() < 1e-5
    assert table.loc[table["tau"] == 1, "memorized"].all()


def test_every_tau_starts_from_the_same_noise_and_branches_one_trajectory():
    """Against the hybrid field integrated afresh for each tau."""
    data = images()
    field = lambda x, t: -0.5 * x  # noqa: E731
    samples = hybrid.sample_hybrids(field, data, taus=[0.0, 0.25, 0.5, 1.0], n_samples=6, n_steps=20,
                                    generator=generator())
    from fmdiag.fields import HybridField

    x0 = draw_noise(6, data.shape, generator=generator())
    for tau, x in samples.items():
        alone = sample(HybridField(ClosedFormField(data), field, tau), x0, n_steps=20)
        torch.testing.assert_close(x, alone, rtol=1e-5, atol=1e-5)


def test_a_tau_between_grid_times_is_met_exactly():
    """One row at 0 and a still model: x ends where û* left it, (1 - tau) x0."""
    data = TrainingSet(np.zeros((1, 3), np.float32))
    samples = hybrid.sample_hybrids(still, data, taus=[0.137], n_samples=4, n_steps=10, generator=generator())
    x0 = draw_noise(4, (3,), generator=generator())
    torch.testing.assert_close(samples[0.137], (1 - 0.137) * x0, rtol=1e-5, atol=1e-6)


def test_distance_falls_with_tau_for_a_model_that_stays():
    table = hybrid.measure(still, images(), taus=[0, 0.5, 0.9, 1], n_samples=40, n_steps=50, generator=generator())
    means = table.groupby("tau")["distance"].mean()
    assert means.is_monotonic_decreasing
    assert means.loc[1.0] < 1e-5


def test_the_closed_form_as_model_memorises_at_every_tau():
    data = images()
    table = hybrid.measure(ClosedFormField(data), data, taus=[0, 0.3, 1], n_samples=10, generator=generator())
    assert table["distance"].max() < 1e-4
    rows = hybrid.summarise(table)
    assert (rows.loc[rows["quantity"] == "memorized", "value"] == 1).all()


@pytest.mark.parametrize("shape", [(30, 1, 4, 4), (30, 2)])
def test_pictures_show_the_first_noises(shape):
    data = images() if len(shape) == 4 else TrainingSet(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    samples = hybrid.sample_hybrids(still, data, taus=[0, 1], n_samples=10, generator=generator())
    arrays = hybrid.pictures(samples, hybrid.tabulate(samples, data), data, n_shown=3)
    shown = arrays["images"] if len(shape) == 4 else arrays["points"]
    assert shown.shape == (2, 3, *data.shape)
    assert arrays["nearest"].shape == shown.shape
    # At tau = 1 the sample is its nearest row.
    np.testing.assert_allclose(shown[1], arrays["nearest"][1], atol=1e-5)


@pytest.mark.parametrize("taus", [[1.2], [-0.1], []])
def test_wrong_taus_are_refused(taus):
    with pytest.raises(FmdiagError, match="hybrid: taus must be|tau must be in"):
        hybrid.measure(still, images(), taus=taus, n_samples=2, generator=generator())

"""PCA-locality against loops, its mask from an explicit covariance, and û* where every coordinate looks everywhere."""

import numpy as np
import patch_loops
import pytest
import torch

from fmdiag.closed_forms import pca_locality
from fmdiag.closed_forms.pca_locality import PCALocalityField
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import ClosedFormField
from fmdiag.paths import CosinePath, LinearPath


def rows(n=5, shape=(2, 6, 6), seed=0):
    """Pixels that depend on their neighbours, so that the filter has a shape."""
    white = np.random.default_rng(seed).normal(size=(n, *shape))
    return TrainingSet((white + np.roll(white, 1, -1) + np.roll(white, 1, -2)).astype(np.float32), name="rows")


def states(training_set, t, b=3, path=None):
    g = torch.Generator().manual_seed(1)
    x0 = torch.randn(b, *training_set.shape, generator=g, dtype=torch.float64)
    chosen = torch.randint(training_set.n, (b,), generator=g)
    return (path or LinearPath()).sample(x0, training_set[chosen.numpy()].double(), t)


def definition(data, threshold, alpha, sigma):
    """The mask from the covariance and an inverse: W = alpha C (alpha^2 C + sigma^2)^-1."""
    flat = data[:].double().flatten(1)
    centred = flat - flat.mean(0)
    covariance = centred.T @ centred / len(flat)
    eye = torch.eye(len(covariance), dtype=torch.float64)
    filtered = alpha * torch.linalg.solve(alpha**2 * covariance + sigma**2 * eye, covariance)
    return filtered.abs() >= threshold * filtered.diagonal()[:, None]


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("threshold", [0.005, 0.3, 1.0])
def test_loops_say_the_same(threshold, t):
    data = rows()
    x, mask = states(data, t), definition(data, threshold, t, 1 - t)
    field = PCALocalityField(data, threshold=threshold)
    torch.testing.assert_close(field.mask(t), mask.double(), rtol=0, atol=0)
    assert bool(mask.diagonal().all()) and (threshold < 0.1 or mask.double().mean() < 0.8)
    expected = torch.stack([patch_loops.masked(point.flatten(), t, 1 - t, data[:].double().flatten(1), mask.tolist())
                            for point in x])
    torch.testing.assert_close(field.mean(x, t).flatten(1), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("t", [0.0, 0.3, 0.99])
def test_a_mask_of_ones_gives_the_closed_form(t):
    data = rows(40, (1, 5, 5))
    x, field = states(data, t), PCALocalityField(data, threshold=0)
    assert bool((field.mask(t) == 1).all())
    torch.testing.assert_close(field.mean(x, t), ClosedFormField(data).posterior(x, t).mean, rtol=1e-10, atol=1e-10)


def test_times_of_a_batch_have_masks_of_their_own():
    data, path = rows(30), CosinePath()
    t = torch.tensor([0.2, 0.9, 0.2, 0.6], dtype=torch.float64)
    x, field = states(data, t, b=4, path=path), PCALocalityField(data, path, threshold=0.1)
    alone = torch.cat([field.mean(x[j : j + 1], t[j]) for j in range(4)])
    torch.testing.assert_close(field.mean(x, t), alone, rtol=1e-13, atol=1e-13)
    assert not torch.equal(field.mask(0.2), field.mask(0.9))


def test_at_pure_noise_it_looks_where_the_covariance_does():
    data = rows(40)
    torch.testing.assert_close(PCALocalityField(data, threshold=0.3).mask(0.0),
                               definition(data, 0.3, 1e-9, 1.0).double(), rtol=0, atol=0)


def test_a_constant_coordinate_keeps_its_value():
    values = rows(20, (4, 4)).rows.copy()
    values[:, 0] = -1
    data = TrainingSet(values)
    mean = PCALocalityField(data, threshold=0.2).mean(states(data, 0.5), 0.5)
    torch.testing.assert_close(mean[:, 0], torch.full((3, 4), -1.0, dtype=torch.float64))


def test_one_example_and_vectors():
    one = TrainingSet(np.linspace(-1, 1, 6, dtype=np.float32)[None], name="one")
    x = states(one, 0.4)
    torch.testing.assert_close(PCALocalityField(one).mean(x, 0.4), one[:].double().expand_as(x), rtol=1e-12, atol=1e-12)


def test_block_size_and_memory_change_rounding_only():
    data = rows(50)
    x = states(data, 0.7)
    expected = PCALocalityField(data, threshold=0.1).mean(x, 0.7)
    for options in ({"block_rows": 1}, {"block_rows": 7}, {"memory": 1 << 18}):
        torch.testing.assert_close(PCALocalityField(data, threshold=0.1, **options).mean(x, 0.7), expected, rtol=1e-12,
                                   atol=1e-12)


def test_it_goes_on_with_less_memory(monkeypatch):
    data = rows(30)
    x, whole, failures = states(data, 0.5), pca_locality.squared_differences, [MemoryError()]
    expected = PCALocalityField(data).mean(x, 0.5)

    def hungry(*arguments):
        if failures:
            raise failures.pop()
        return whole(*arguments)

    monkeypatch.setattr(pca_locality, "squared_differences", hungry)
    with pytest.warns(FmdiagWarning, match=f"going on with {1 << 27} bytes of memory for PCA-locality"):
        found = PCALocalityField(data, memory=1 << 28).mean(x, 0.5)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_that_is_no_share_is_refused(threshold):
    with pytest.raises(FmdiagError, match="threshold must be in \\[0, 1\\]"):
        PCALocalityField(rows(), threshold=threshold)

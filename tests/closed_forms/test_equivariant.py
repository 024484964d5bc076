"""Equivariant local score against loops, û* where only one place is left, and shifts of an image."""

import numpy as np
import patch_loops
import pytest
import torch

from fmdiag.closed_forms import equivariant
from fmdiag.closed_forms.equivariant import ELSField
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import ClosedFormField
from fmdiag.paths import CosinePath


def images(n=5, shape=(2, 6, 6), seed=0):
    return TrainingSet(np.random.default_rng(seed).uniform(-1, 1, (n, *shape)).astype(np.float32), name="images")


def states(training_set, t, b=2):
    g = torch.Generator().manual_seed(1)
    x0 = torch.randn(b, *training_set.shape, generator=g, dtype=torch.float64)
    return (1 - t) * x0 + t * training_set[np.arange(b) % training_set.n].double()


@pytest.mark.parametrize("t", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("k", [1, 3, 7])
def test_loops_say_the_same(k, t):
    data = images()
    x = states(data, t)
    expected = torch.stack([patch_loops.equivariant(point, t, 1 - t, data[:].double(), k) for point in x])
    torch.testing.assert_close(ELSField(data, k=k).mean(x, t), expected, rtol=1e-12, atol=1e-12)


def test_images_that_are_not_square_on_another_path():
    data, path, t = images(shape=(3, 5)), CosinePath(), torch.tensor(0.5, dtype=torch.float64)
    x = states(data, 0.5)
    expected = torch.stack([patch_loops.equivariant(point[None], path.alpha(t), path.sigma(t),
                                                    data[:].double()[:, None], 5)[0] for point in x])
    torch.testing.assert_close(ELSField(data, path, k=5).mean(x, 0.5), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("t", [0.1, 0.6, 0.99])
def test_patches_that_are_the_whole_image_give_the_closed_form(t):
    data = images(20, (1, 4, 4))
    x = states(data, t)
    torch.testing.assert_close(ELSField(data, k=7).mean(x, t), ClosedFormField(data).posterior(x, t).mean, rtol=1e-10,
                               atol=1e-10)


def test_a_shifted_image_is_recognised_away_from_the_border():
    """What the place does not matter for: near t = 1 the shifted example is found, with patches of its own."""
    data = images(3, (1, 9, 9))
    x = data[0][None].double().roll((1, 2), (2, 3))
    inside = (slice(None), slice(None), slice(3, 8), slice(4, 8))   # 3 x 3 patches from within the image
    found = ELSField(data, k=3).mean(x, 0.999)
    torch.testing.assert_close(found[inside], x[inside], rtol=1e-6, atol=1e-6)


def test_the_subset_is_drawn_by_its_seed_and_batches_change_rounding_only():
    data = images(30)
    x = states(data, 0.5)
    field = ELSField(data, k=3, n_examples=4, seed=2)
    assert field.subset.n == 4 and ELSField(data).subset.n == 30
    torch.testing.assert_close(field.mean(x, 0.5), ELSField(data.subset(4, seed=2), k=3).mean(x, 0.5), rtol=0, atol=0)
    torch.testing.assert_close(field.mean(x[1:], 0.5), field.mean(x, 0.5)[1:], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ELSField(data, k=3, memory=1 << 14).mean(x, 0.5), ELSField(data, k=3).mean(x, 0.5),
                               rtol=1e-12, atol=1e-12)
    assert len({ELSField(data, n_examples=n, seed=seed).fingerprint for n in (4, 5) for seed in (0, 1)}) == 4


def test_mirror_images_count():
    data = images(3)
    both = TrainingSet(torch.cat([data[:], data[:].flip(-1)]).numpy())
    x = states(data, 0.5)
    torch.testing.assert_close(ELSField(data.with_hflip(), k=3).mean(x, 0.5), ELSField(both, k=3).mean(x, 0.5),
                               rtol=1e-12, atol=1e-12)


def test_a_schedule_takes_the_size_of_the_nearest_time():
    data, t = images(), torch.tensor([0.1, 0.9], dtype=torch.float64)
    x = states(data, 0.5)
    found = ELSField(data, k=[5, 1], times=[0.2, 0.8]).mean(x, t)
    for j, k in enumerate([5, 1]):
        torch.testing.assert_close(found[j], ELSField(data, k=k).mean(x, t)[j], rtol=0, atol=0)


def test_it_goes_on_with_less_memory(monkeypatch):
    data = images()
    x, whole, failures = states(data, 0.5), equivariant._patches, [MemoryError()]
    expected = ELSField(data, k=3).mean(x, 0.5)

    def hungry(*arguments):
        if failures:
            raise failures.pop()
        return whole(*arguments)

    monkeypatch.setattr(equivariant, "_patches", hungry)
    with pytest.warns(FmdiagWarning, match=f"going on with {1 << 27} bytes of memory for the equivariant local score"):
        found = ELSField(data, k=3, memory=1 << 28).mean(x, 0.5)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("parameters, said", [
    ({"k": 4}, "odd and from 1 to 11"), ({"n_examples": 0}, "whole number from 1, got 0"),
    ({"n_examples": 1.5}, "got 1.5"), ({"k": [3, 5], "times": [0.5]}, "got 2 sizes and 1 times")])
def test_parameters_out_of_range_are_refused(parameters, said):
    with pytest.raises(FmdiagError, match=said):
        ELSField(images(), **parameters)


def test_vectors_have_no_patches():
    with pytest.raises(FmdiagError, match="the equivariant local score needs images"):
        ELSField(TrainingSet(np.zeros((3, 2), np.float32), name="points"))

"""Local score and PSPC-Square against loops, û* where every patch is the whole image, and their borders."""

import numpy as np
import patch_loops
import pytest
import torch

from fmdiag.closed_forms import patch_field
from fmdiag.closed_forms.boxes import Boxes
from fmdiag.closed_forms.local_score import LocalScoreField
from fmdiag.closed_forms.pspc import PSPCField
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import ClosedFormField
from fmdiag.paths import CosinePath, LinearPath

LOOPS = {LocalScoreField: patch_loops.local_score, PSPCField: patch_loops.composite}
THEORIES = list(LOOPS)


def images(n=5, shape=(2, 6, 6), seed=0):
    return TrainingSet(np.random.default_rng(seed).uniform(-1, 1, (n, *shape)).astype(np.float32), name="images")


def states(training_set, t, b=3, seed=1, path=None, dtype=torch.float64):
    """Points x_t of a path."""
    g = torch.Generator().manual_seed(seed)
    rows = torch.randint(training_set.n, (b,), generator=g)
    x0 = torch.randn(b, *training_set.shape, generator=g, dtype=torch.float64)
    return (path or LinearPath()).sample(x0, training_set[rows.numpy()].double(), t).to(dtype)


@pytest.mark.parametrize("t", [0.0, 0.3, 0.8, 0.99])
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("theory", THEORIES)
def test_loops_say_the_same(theory, k, t):
    data = images()
    x = states(data, t)
    found = theory(data, k=k).mean(x, t)
    expected = torch.stack([LOOPS[theory](point, t, 1 - t, data[:].double(), k) for point in x])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("theory", THEORIES)
def test_images_that_are_not_square_without_a_channel_on_another_path(theory):
    data, path = images(shape=(4, 6)), CosinePath()
    x, t = states(data, 0.6, path=path), torch.tensor(0.6, dtype=torch.float64)
    expected = torch.stack([LOOPS[theory](point[None], path.alpha(t), path.sigma(t), data[:].double()[:, None], 3)[0]
                            for point in x])
    torch.testing.assert_close(theory(data, path, k=3).mean(x, 0.6), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("t", [0.0, 0.2, 0.9, 0.999])
@pytest.mark.parametrize("theory", THEORIES)
def test_patches_that_are_the_whole_image_give_the_closed_form(theory, t):
    data = images(40, (1, 6, 5))
    x = states(data, t)
    field, expected = theory(data, k=11), ClosedFormField(data)
    torch.testing.assert_close(field.mean(x, t), expected.posterior(x, t).mean, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(field(x, t), expected(x, t), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("theory", THEORIES)
def test_one_example_is_the_answer_everywhere(theory):
    data = images(1)
    x = states(data, 0.4)
    torch.testing.assert_close(theory(data, k=3).mean(x, 0.4), data[:].double().expand_as(x), rtol=1e-12, atol=1e-12)
    velocity = (data[:].double() - x) / 0.6
    torch.testing.assert_close(theory(data, k=3)(x, 0.4), velocity, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("theory", THEORIES)
def test_block_size_batch_and_memory_change_rounding_only(theory):
    data = images(50)
    t = torch.tensor([0.1, 0.5, 0.7, 0.9, 0.95, 0.999], dtype=torch.float64)
    x = states(data, t, b=6)
    expected = theory(data, k=3).mean(x, t)
    for block_rows in (1, 7, 49):
        torch.testing.assert_close(theory(data, k=3, block_rows=block_rows).mean(x, t), expected, rtol=1e-12,
                                   atol=1e-12)
    streamed = theory(data, k=3, memory=1 << 13)
    torch.testing.assert_close(streamed.mean(x, t), expected, rtol=1e-12, atol=1e-12)
    assert streamed.engine.rows._kept is None and theory(data).engine.rows._keep
    one_by_one = torch.cat([theory(data, k=3).mean(x[j : j + 1], t[j]) for j in range(6)])
    torch.testing.assert_close(one_by_one, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("theory", THEORIES)
def test_a_far_query_beside_a_near_one_keeps_its_own_maximum(theory):
    """With one maximum for the batch all weights of the far query would underflow."""
    data = images(20)
    x = states(data, 0.99, b=2)
    x[1] += 30
    expected = torch.stack([LOOPS[theory](point, 0.99, 0.01, data[:].double(), 3) for point in x])
    torch.testing.assert_close(theory(data, k=3).mean(x, 0.99), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("theory", THEORIES)
def test_several_sizes_in_one_pass_are_each_of_them(theory):
    data = images(20)
    x = states(data, 0.5)
    found = theory(data).mean_of(x, 0.5, [5, 1, 3, 5])
    assert list(found) == [5, 1, 3]
    for k, mean in found.items():
        torch.testing.assert_close(mean, theory(data, k=k).mean(x, 0.5), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("theory", THEORIES)
def test_a_schedule_takes_the_size_of_the_nearest_time(theory):
    data = images(20)
    field = theory(data, k=[7, 5, 1], times=[0.2, 0.6, 0.9])
    t = torch.tensor([0.0, 0.3, 0.45, 0.76, 0.99], dtype=torch.float64)
    x = states(data, t, b=5)
    found = field.mean(x, t)
    for j, k in enumerate([7, 7, 5, 1, 1]):
        expected = theory(data, k=k).mean(x[j : j + 1], t[j])
        torch.testing.assert_close(found[j : j + 1], expected, rtol=1e-13, atol=1e-13)
    assert field.fingerprint != theory(data, k=7).fingerprint


def test_box_sums_of_squares_keep_their_relative_precision():
    """What integral images lose: a patch of tiny values beside large ones."""
    maps = torch.ones(1, 28, 28, 1)
    maps[:, 14:] = 1e-12
    found = Boxes(28, 28, maps.device, torch.float32).sums(maps, 7)[0, 20:24, 20, 0]
    torch.testing.assert_close(found, torch.full((4,), 49e-12), rtol=1e-6, atol=0)
    integral = maps.cumsum(1)
    assert ((integral[:, 23] - integral[:, 16])[0, 20, 0] - 7e-12).abs() >= 7e-12, "what they make of 7e-12"


@pytest.mark.parametrize("t", [0.99, 0.999])
@pytest.mark.parametrize("theory", THEORIES)
def test_the_end_of_the_path_is_exact_on_28_x_28(theory, t):
    data = images(12, (1, 28, 28))
    x = states(data, t, b=1)
    rows, k = data[:].double()[:, 0], 7
    square = (x[0, 0] - t * rows).square()
    distance = torch.zeros_like(square)
    for r in range(28):
        for c in range(28):
            part = square[:, max(0, r - 3) : r + 4, max(0, c - 3) : c + 4]
            distance[:, r, c] = part.sum((1, 2))
    weights = torch.softmax(-distance / (2 * (1 - t) ** 2), 0)
    if theory is PSPCField:
        padded = torch.nn.functional.pad(weights, (3, 3, 3, 3))
        weights = sum(padded[:, i : i + 28, j : j + 28] for i in range(7) for j in range(7))
        weights = weights / weights.sum(0)
    torch.testing.assert_close(theory(data, k=k).mean(x, t)[0, 0], (weights * rows).sum(0), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("theory", THEORIES)
@pytest.mark.parametrize("k, times, said", [
    (4, None, "odd and from 1 to 11 for images of 6 x 6"), (13, None, "got 13"), (0, None, "got 0"),
    (2.5, None, "got 2.5"), ([3, 5], [0.1], "got 2 sizes and 1 times"), ([3, 5], None, "2 sizes and no times"),
    (3, [0.5], "got one size and 1 times"), ([3, 5], [0.5, 0.2], "must ascend"), ([3, 5], [0.5, 1.2], "must ascend")])
def test_sizes_that_do_not_fit_are_refused(theory, k, times, said):
    with pytest.raises(FmdiagError, match=said):
        theory(images(), k=k, times=times)


@pytest.mark.parametrize("theory", THEORIES)
def test_vectors_have_no_patches(theory):
    with pytest.raises(FmdiagError, match=f"{theory.what} needs images.* shape \\(2,\\): leave {theory.what} out"):
        theory(TrainingSet(np.zeros((3, 2), np.float32), name="points"))


@pytest.mark.parametrize("theory", THEORIES)
def test_it_goes_on_with_less_memory(theory, monkeypatch):
    data = images(30)
    x = states(data, 0.5)
    expected, sums, failures = theory(data, k=3).mean(x, 0.5), Boxes.sums, [MemoryError()]

    def hungry(self, maps, k, *name):
        if failures:
            raise failures.pop()
        return sums(self, maps, k, *name)

    monkeypatch.setattr(Boxes, "sums", hungry)
    with pytest.warns(FmdiagWarning, match=f"going on with {1 << 27} bytes of memory for {theory.what}"):
        found = theory(data, k=3, memory=1 << 28).mean(x, 0.5)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_least_memory_is_where_less_would_not_help():
    assert patch_field.LEAST_MEMORY < 1 << 20

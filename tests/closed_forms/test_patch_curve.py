"""The identity of patches along paths of pairs: the curve against the plain form, its bound, what it falls back to."""

import numpy as np
import pytest
import torch

from fmdiag.closed_forms.boxes import Boxes
from fmdiag.closed_forms.local_score import LocalScoreField
from fmdiag.closed_forms.patch_curve import Block, PatchCurve, curve_dtype
from fmdiag.closed_forms.patch_posterior import PatchPosterior
from fmdiag.closed_forms.pspc import PSPCField
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.paths import CosinePath, LinearPath

THEORIES = [LocalScoreField, PSPCField]
TIMES = [0.0, 0.05, 0.3, 0.6, 0.9, 0.99, 0.999]


def images(n=20, shape=(2, 6, 6), seed=0):
    """Images with a blank border, which leaves patches that are equal in all examples."""
    values = np.random.default_rng(seed).uniform(-1, 1, (n, *shape)).astype(np.float32)
    values[..., :2] = -1
    return TrainingSet(values, name="images")


def pairs(data, b=4, seed=1, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    rows = torch.randint(data.n, (b,), generator=g)
    return torch.randn(b, *data.shape, generator=g, dtype=torch.float64).to(dtype), data[rows.numpy()].double(), rows


def plain(field, x0, x1, times):
    return torch.stack([field.mean(field.path.sample(x0.double(), x1, t), t) for t in times])


@pytest.mark.parametrize("k", [1, 3, 11])
@pytest.mark.parametrize("path", [LinearPath(), CosinePath()], ids=["linear", "cosine"])
@pytest.mark.parametrize("theory", THEORIES)
def test_the_curve_is_the_plain_form_at_every_time(theory, path, k):
    data = images()
    x0, x1, rows = pairs(data)
    field = theory(data, path, k=k)
    torch.testing.assert_close(field.curve(x0, x1, rows, TIMES), plain(field, x0, x1, TIMES), rtol=1e-10, atol=1e-10)


def test_log_weights_are_those_of_the_definition():
    """l_i(p) = -(|P(x_t - alpha X_i)|^2 - |P(x_t - alpha x1)|^2) / (2 sigma^2), patch by patch."""
    data, alpha, sigma, k = images(7), 0.7, 0.4, 3
    x0, x1, _ = pairs(data, b=2)
    rows = LocalScoreField(data, k=k).engine.rows
    logs = PatchCurve(rows, k, torch.float64)._block(x0, x1, next(iter(rows)), slice(0, 2)).logs(alpha / sigma)
    logs = logs.reshape(2, 6, 6, 7)
    x = alpha * x1 + sigma * x0
    everything = [(r, c) for r in range(6) for c in range(6)]
    for q in range(2):
        for r, c in everything:
            near = (slice(max(0, r - 1), r + 2), slice(max(0, c - 1), c + 2))
            own = (x[q] - alpha * x1[q])[:, *near].square().sum()
            for i in range(7):
                other = (x[q] - alpha * data[i].double())[:, *near].square().sum()
                expected = -(other - own) / (2 * sigma**2)
                torch.testing.assert_close(logs[q, r, c, i], expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("theory", THEORIES)
def test_float32_is_as_exact_near_the_end_as_at_the_start(theory):
    """28 x 28: float32 integral images are off by many nats here; sums that cancel nothing are not."""
    data = images(60, (1, 28, 28))
    x0, x1, rows = pairs(data, b=2, dtype=torch.float32)
    field = theory(data, k=7)
    assert curve_dtype(x0, 7, field.engine.boxes, data.n) == torch.float32
    found = field.curve(x0, x1, rows, [0.2, 0.5, 0.99, 0.999])
    torch.testing.assert_close(found, field.curve(x0.double(), x1, rows, [0.2, 0.5, 0.99, 0.999]), rtol=0, atol=2e-5)
    torch.testing.assert_close(found, plain(field, x0, x1, [0.2, 0.5, 0.99, 0.999]), rtol=0, atol=2e-5)


@pytest.mark.parametrize("theory", THEORIES)
def test_each_time_has_the_size_of_its_schedule(theory):
    data = images()
    x0, x1, rows = pairs(data)
    field = theory(data, k=[5, 1], times=[0.2, 0.8])
    found = field.curve(x0, x1, rows, [0.9, 0.1, 0.6])
    torch.testing.assert_close(found, plain(field, x0, x1, [0.9, 0.1, 0.6]), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("theory", THEORIES)
def test_block_size_and_batch_change_rounding_only(theory):
    data = images(50)
    x0, x1, rows = pairs(data)
    expected = theory(data, k=3).curve(x0, x1, rows, TIMES)
    for options in ({"block_rows": 7}, {"memory": 1 << 13}):
        found = theory(data, k=3, **options).curve(x0, x1, rows, TIMES)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(theory(data, k=3).curve(x0[2:3], x1[2:3], rows[2:3], TIMES), expected[:, 2:3],
                               rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("theory", THEORIES)
def test_pairs_of_held_out_examples_are_answered_time_by_time(theory):
    data, other = images(), images(5, seed=9)
    x0, x1, _ = pairs(other, b=3)
    field = theory(data, k=3)
    torch.testing.assert_close(field.curve(x0, x1, None, TIMES), plain(field, x0, x1, TIMES), rtol=1e-12, atol=1e-12)


def test_no_log_weight_passes_the_bound_on_it():
    """By Cauchy's inequality none exceeds |x0|^2 / 2 on its patch: what no running maximum is needed for."""
    data = images(200)
    x0, x1, _ = pairs(data, b=3)
    rows, boxes = LocalScoreField(data).engine.rows, Boxes(6, 6, torch.device("cpu"))
    bound = boxes.sums(x0.square().sum(1)[..., None], 3)[..., 0] / 2
    block = PatchCurve(rows, 3, torch.float64)._block(x0, x1, next(iter(rows)), slice(0, 3))
    largest = torch.stack([block.logs(0.25 * j).amax(-1) for j in range(1, 20)]).amax(0).reshape(bound.shape)
    assert bool((largest <= bound).all()) and (largest / bound).max() > 0.3


def test_noise_that_is_too_large_for_a_type_goes_to_the_next_and_then_to_the_plain_form(monkeypatch):
    data = images()
    x0, x1, rows = pairs(data, dtype=torch.float32)
    field, boxes = LocalScoreField(data, k=3), Boxes(6, 6, torch.device("cpu"))
    assert curve_dtype(x0, 3, boxes, 20) == torch.float32
    assert curve_dtype(x0.double(), 3, boxes, 20) == torch.float64
    assert curve_dtype(4 * x0, 3, boxes, 20) == torch.float64
    assert curve_dtype(20 * x0, 3, boxes, 20) is None
    expected = plain(field, 20 * x0, x1, TIMES)
    torch.testing.assert_close(field.curve(20 * x0, x1, rows, TIMES), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(field.curve(4 * x0, x1, rows, TIMES), plain(field, 4 * x0, x1, TIMES), rtol=1e-10,
                               atol=1e-10)
    monkeypatch.setattr(PatchPosterior, "local_means", None)
    with pytest.raises(TypeError):
        field.curve(20 * x0, x1, rows, TIMES)


@pytest.mark.parametrize("theory", THEORIES)
def test_it_goes_on_with_less_memory(theory, monkeypatch):
    data = images()
    x0, x1, rows = pairs(data)
    expected, sums, failures = theory(data, k=3).curve(x0, x1, rows, TIMES), PatchCurve._block, [MemoryError()]

    def hungry(self, *arguments):
        if failures:
            raise failures.pop()
        return sums(self, *arguments)

    monkeypatch.setattr(PatchCurve, "_block", hungry)
    with pytest.warns(FmdiagWarning, match=f"going on with {1 << 27} bytes of memory for {theory.what}"):
        found = theory(data, k=3, memory=1 << 28).curve(x0, x1, rows, TIMES)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_times_at_the_end_of_the_path_are_refused():
    data = images()
    with pytest.raises(FmdiagError, match="sigma_t = 0"):
        LocalScoreField(data).curve(*pairs(data), [0.5, 1.0])


@pytest.mark.parametrize("theory", THEORIES)
def test_blocks_leave_for_good_and_are_not_missed(theory, monkeypatch):
    """Smooth images have much left to leave: fewer pixels are looked at, and the answer is the same."""
    data = TrainingSet(np.random.default_rng(3).uniform(-1, 1, (64, 1, 6, 6)).astype(np.float32))
    x0, x1, rows = pairs(data)
    times, looked_at = [0.97, 0.2, 0.99, 0.6, 0.9], []
    field = theory(data, k=5, block_rows=4)
    logs = Block.logs

    def counted(self, s):
        looked_at.append((s, len(self.pixels)))
        return logs(self, s)

    monkeypatch.setattr(Block, "logs", counted)
    found = field.curve(x0, x1, rows, times)
    torch.testing.assert_close(found, plain(field, x0, x1, times), rtol=1e-10, atol=1e-10)
    per_time = {s: sum(n for at, n in looked_at if at == s) for s, _ in looked_at}
    per_time = [per_time[s] for s in sorted(per_time)]
    assert per_time == sorted(per_time, reverse=True) and per_time[-1] < per_time[0] / 3

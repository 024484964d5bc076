"""Products of 8-bit rows in bfloat16 terms against float64."""

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.posterior import EmpiricalPosterior, rows
from fmdiag.posterior.tensor_cores import SplitRows, bfloat16_terms, relative_error, serves, split_center, trial
from fmdiag.sampling import draw_noise


def images(n=300, side=16):
    pixels = np.random.default_rng(0).integers(0, 256, (n, 3, side, side), dtype=np.uint8)
    return TrainingSet(pixels, 127.5, -1.0)


def test_three_terms_hold_every_bit_of_a_float32():
    x = torch.randn(10_000, generator=torch.Generator().manual_seed(0)) * 10.0 ** torch.randint(-9, 9, (10_000,))
    assert torch.equal(sum(term.double() for term in bfloat16_terms(x)), x.double())
    assert not torch.equal(sum(term.double() for term in bfloat16_terms(x, 2)), x.double())


def test_every_8_bit_value_less_the_offset_is_a_bfloat16():
    block = torch.arange(256.0)[:, None] / 127.5 - 1
    assert torch.equal(SplitRows(block, 127.5, -1.0).rows.double()[:, 0], torch.arange(256.0).double() - 128)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 40.0])
def test_products_are_those_of_float64(scale):
    """A sum of d terms of 24 bits is off by at most about 2^-24 sqrt(d) of the norms' product: 2^-19 at d = 768."""
    data = images()
    queries = scale * torch.randn(20, data.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    block = SplitRows(torch.as_tensor(data[:]).reshape(data.n, -1), data.divisor, data.shift)
    exact = torch.as_tensor(data.rows).double().reshape(data.n, -1) / 127.5 - 1 - split_center(data)
    size = queries.norm(dim=1)[:, None] * exact.norm(dim=1)
    assert ((block.dot(queries).double() - queries @ exact.T).abs() / size).max() < 2.0**-20
    torch.testing.assert_close(block.norms(), exact.square().sum(1), rtol=1e-6, atol=0)
    total, weights = torch.ones(5, data.dim), torch.rand(5, data.n, generator=torch.Generator().manual_seed(1))
    block.add_weighted(total, weights)
    torch.testing.assert_close(total.double(), 1 + weights.double() @ exact, rtol=1e-5, atol=1e-5)


def test_a_curve_of_split_products_is_the_curve(monkeypatch):
    data = images(400)
    numbers = torch.arange(0, 400, 40)
    x0 = draw_noise(10, data.shape, generator=torch.Generator().manual_seed(0))
    pair = (x0, data[numbers.numpy()], numbers, [0.01, 0.05, 0.1, 0.3, 0.9])
    plain = list(EmpiricalPosterior(data).curve(*pair))
    monkeypatch.setattr(rows, "serves", lambda training_set, device: True)
    split = list(EmpiricalPosterior(data).curve(*pair))
    for (k, pairs, expected), (k_split, pairs_split, got) in zip(plain, split, strict=True):
        assert k == k_split and torch.equal(pairs, pairs_split)
        for name in ("mean", "log_density", "source_weight", "entropy"):
            torch.testing.assert_close(getattr(got, name), getattr(expected, name), rtol=1e-5, atol=1e-5)


def test_only_8_bit_rows_on_a_gpu_are_split():
    assert not serves(images(), torch.device("cpu"))
    assert not serves(TrainingSet(np.zeros((2, 3), np.float32)), torch.device("cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: bfloat16 products with float32 sums")
def test_tensor_cores_against_float64():
    g = torch.Generator().manual_seed(0)
    queries = torch.randn(256, 3072, generator=g, dtype=torch.float64).cuda()
    block = SplitRows(torch.randint(0, 256, (4096, 3072), generator=g).float().cuda(), 1.0, 0.0)
    assert relative_error(block, queries) < 2.0**-20
    assert trial("cuda") in (True, False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: the same curve there as on the CPU")
def test_the_curve_on_a_gpu_is_that_of_the_cpu():
    data, numbers = images(400), torch.arange(0, 400, 40)
    x0 = draw_noise(10, data.shape, generator=torch.Generator().manual_seed(0))
    pair = (x0, data[numbers.numpy()], numbers, [0.01, 0.1, 0.3, 0.9])
    on_cpu, on_gpu = ({(k, int(p)): found.mean[i].cpu() for k, pairs, found in engine.curve(*pair)
                       for i, p in enumerate(pairs)}
                      for engine in (EmpiricalPosterior(data), EmpiricalPosterior(data, device="cuda")))
    for key, mean in on_cpu.items():
        torch.testing.assert_close(on_gpu[key], mean, rtol=1e-5, atol=1e-5)

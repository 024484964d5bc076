"""EFM's target against float64 brute force from its definition, where expansions lose their digits."""

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.paths import LinearPath
from fmdiag.training.losses import LOSSES
from fmdiag.training.pools import draw_pool, pooled_velocity


def brute_force(x0, x1, t, others, counts):
    """sum_j softmax_j(-|x_t - t b_j|² / 2 (1 - t)²) (b_j - x_t) / (1 - t), b_1 = x1, one sample at a time."""
    x0, x1, others, targets = x0.double().flatten(1), x1.double().flatten(1), others.double().flatten(1), []
    for x0_q, x1_q, t_q, counted in zip(x0, x1, t.double(), counts, strict=True):
        xt, pool = (1 - t_q) * x0_q + t_q * x1_q, torch.cat([x1_q[None], others[counted]])
        weights = torch.softmax(-(xt - t_q * pool).square().sum(1) / (2 * (1 - t_q) ** 2), 0)
        targets.append(weights @ (pool - xt) / (1 - t_q))
    return torch.stack(targets).reshape(x1.shape)


def worst_error(data, t, size, *, replacement=False, b=48, block=None):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(data.n, (b,), generator=generator)
    x1 = data[rows.numpy()]
    x0 = torch.randn(x1.shape, generator=generator)
    others, counts = draw_pool(rows, data.n, size, replacement=replacement, generator=generator)
    pool, t = data[others.numpy()], torch.full((b,), t)
    got = pooled_velocity(x0, x1, t, pool if block is None else pool.split(block), counts, LinearPath())
    assert got.dtype == torch.float32
    return (got.double().flatten(1) - brute_force(x0, x1, t, pool, counts).flatten(1)).abs().max().item()


def near_duplicates(dim):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, dim))
    return TrainingSet(np.concatenate([rows, rows + 1e-4 * rng.normal(size=rows.shape)]).astype(np.float32))


# The target has entries up to 5 in float32: 2^-22 each, a few of them.
@pytest.mark.parametrize(("t", "size"), [(0.5, 128), (0.99, 128), (0.99, 4999), (0.999, 4999), (1 - 2.0**-20, 4999)])
@pytest.mark.parametrize("replacement", [True, False])
def test_fault_4_1_targets_are_right_near_the_data(t, size, replacement):
    assert worst_error(load_dataset("two-moons-5000"), t, size, replacement=replacement) < 2e-6


@pytest.mark.parametrize("dim", [2, 100, 784])
@pytest.mark.parametrize("t", [0.3, 0.9, 0.99, 0.9999])
def test_fault_4_1_near_duplicates_keep_their_weights(dim, t):
    """Pairs 10^-4 apart share the weight until s 10^-4 sqrt(dim) is about 1; products round s² by 10^-7 dim."""
    assert worst_error(near_duplicates(dim), t, 700) < 1e-5


@pytest.mark.parametrize("t", [0.5, 0.99, 0.9999])
def test_fault_4_1_rows_far_from_the_origin(t):
    data = TrainingSet((1000 + np.random.default_rng(0).normal(size=(800, 2))).astype(np.float32))
    # x1 - x0 itself is a float32 number near 1000: half a unit in its last place is 3e-5, of two roundings.
    assert worst_error(data, t, 400) < 7e-5


def test_blocks_of_the_pool_change_rounding_only():
    images = np.random.default_rng(0).integers(0, 256, (300, 3, 8, 8), dtype=np.uint8)
    data = TrainingSet(images, 127.5, -1.0)
    for t in (0.05, 0.3, 0.95):
        assert worst_error(data, t, 200, block=7) < 5e-6 and worst_error(data, t, 200) < 5e-6


@pytest.mark.parametrize("size", ["all", 400])
def test_fault_4_1_the_loss_itself_near_the_data(size):
    data, generator = load_dataset("two-moons-400"), torch.Generator().manual_seed(1)
    rows = torch.arange(0, 400, 9)
    x1, t = data[rows.numpy()], torch.full((len(rows),), 0.999)
    x0 = torch.randn(x1.shape, generator=generator)
    _, target = LOSSES["efm"](x0, x1, t, path=LinearPath(), training_set=data, rows=rows, pool_size=size,
                              generator=generator)
    every, counts = data[:], torch.arange(data.n) != rows[:, None]
    assert (target - brute_force(x0, x1, t, every, counts)).abs().max() < 2e-6

"""EFM's target by exact enumeration: its mean over pools is û*, with x1 in the pool and not without it.

On four rows in the plane every pool can be listed. x1 has the law of the posterior given x_t; the others are listed
with their probabilities; means are then sums of a few hundred terms in float64, far more exact than 1e-12.
"""

from itertools import permutations, product

import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.fields import ClosedFormField
from fmdiag.paths import CosinePath, LinearPath
from fmdiag.training.losses import LOSSES
from fmdiag.training.pools import draw_pool, pool_members, pooled_velocity

ROWS = torch.tensor([[1.0, -0.5], [-0.75, 0.25], [0.25, 0.875], [0.625, 0.375]], dtype=torch.float64)
XT = torch.tensor([[0.3, 0.1]], dtype=torch.float64)
N = len(ROWS)


def u_star_and_posterior(path, t):
    field = ClosedFormField(TrainingSet(ROWS.numpy()), path)
    log = -(XT - path.alpha(t) * ROWS).square().sum(1) / (2 * path.sigma(t) ** 2)
    return field(XT, t)[0], torch.softmax(log, 0)


def drawn(size, replacement):
    """Yield the row numbers that `draw_pool` may draw, each as likely as every other."""
    if replacement:
        yield from (torch.tensor(list(rows), dtype=torch.int64) for rows in product(range(N), repeat=size - 1))
    else:
        yield from (torch.tensor(list(order)[:size]) for order in permutations(range(N)))


def target(row, others, counts, path, t, keep_own=True):
    x0 = (XT - path.alpha(t) * ROWS[row]) / path.sigma(t)
    if keep_own:
        return pooled_velocity(x0, ROWS[row][None], t.reshape(1), ROWS[others], counts, path)[0]
    # The biased variant: the pool holds the others only.
    members = ROWS[others[counts[0]]]
    log = -(XT - path.alpha(t) * members).square().sum(1) / (2 * path.sigma(t) ** 2)
    return path.velocity_from_mean(torch.softmax(log, 0) @ members, XT[0], t)


def moments(size, replacement, path, t, keep_own=True):
    """Return the exact mean and the trace of the covariance of û*_M given x_t."""
    _, posterior = u_star_and_posterior(path, t)
    values, weights = [], []
    pools = list(drawn(size, replacement))
    for row in range(N):
        for others in pools:
            counts = pool_members(others, torch.tensor([row]), replacement=replacement)
            values.append(target(row, others, counts, path, t, keep_own))
            weights.append(posterior[row] / len(pools))
    values, weights = torch.stack(values), torch.stack(weights)
    mean = weights @ values
    return mean, (weights @ (values - mean).square().sum(1)).item()


@pytest.mark.parametrize("path", [LinearPath(), CosinePath()], ids=["linear", "cosine"])
@pytest.mark.parametrize("replacement", [True, False], ids=["with", "without"])
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_mean_over_all_pools_is_the_closed_form(path, replacement, size, t):
    t = torch.tensor(t, dtype=torch.float64)
    expected, _ = u_star_and_posterior(path, t)
    mean, _ = moments(size, replacement, path, t)
    torch.testing.assert_close(mean, expected, rtol=1e-12, atol=1e-12)
    # Leaving x1 out is biased, by far more than roundoff.
    biased, _ = moments(size, replacement, path, t, keep_own=False)
    assert (biased - expected).abs().max() > 1e-3


def test_pool_of_one_is_conditional_flow_matching():
    x0, x1 = torch.randn(6, 2, generator=torch.Generator().manual_seed(0)), ROWS[[0, 1, 2, 3, 0, 1]].float()
    t = torch.linspace(0, 0.99, 6)
    keys = {"path": LinearPath(), "training_set": TrainingSet(ROWS.float().numpy()),
            "rows": torch.tensor([0, 1, 2, 3, 0, 1])}
    for replacement in (True, False):
        ours = LOSSES["efm"](x0, x1, t, generator=torch.Generator().manual_seed(1), pool_size=1,
                             replacement=replacement, **keys)
        plain = LOSSES["cfm"](x0, x1, t, generator=None, **keys)
        # Without replacement one row is drawn that never counts: weights of exactly 0 are added.
        assert all(torch.equal(a, b) for a, b in zip(ours, plain, strict=True))


@pytest.mark.parametrize("t", [0.0, 0.3, 0.7, 0.999])
def test_whole_set_without_replacement_is_the_closed_form(t):
    t = torch.tensor(t, dtype=torch.float64)
    expected, _ = u_star_and_posterior(LinearPath(), t)
    for row in range(N):
        others = torch.randperm(N, generator=torch.Generator().manual_seed(row))
        counts = pool_members(others, torch.tensor([row]), replacement=False)
        torch.testing.assert_close(target(row, others, counts, LinearPath(), t), expected, rtol=1e-10, atol=1e-10)


def test_the_whole_set_by_the_posterior_is_the_same():
    training_set = TrainingSet(ROWS.float().numpy())
    rows = torch.tensor([0, 1, 2, 3])
    x0, t = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0.1, 0.4, 0.7, 0.95])
    pairs = [LOSSES["efm"](x0, training_set[rows.numpy()], t, path=LinearPath(), training_set=training_set, rows=rows,
                           generator=torch.Generator().manual_seed(1), pool_size=size) for size in ("all", N)]
    assert torch.equal(pairs[0][0], pairs[1][0])
    torch.testing.assert_close(pairs[0][1], pairs[1][1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("t", [0.2, 0.6])
def test_variance_falls_with_the_pool_and_is_lower_without_replacement(t):
    t = torch.tensor(t, dtype=torch.float64)
    with_, without = ([moments(size, replacement, LinearPath(), t)[1] for size in (1, 2, 3, 4)]
                      for replacement in (True, False))
    assert with_[0] > with_[1] > with_[2] > with_[3] > 1e-4
    assert without[0] > without[1] > without[2] > without[3]
    assert all(a < b for a, b in zip(without[1:], with_[1:], strict=True)) and without[3] < 1e-20


def test_members_are_the_own_row_and_m_minus_one_others():
    generator = torch.Generator().manual_seed(0)
    for n, size in [(50, 7), (50, 50), (10_000, 64)]:
        rows = torch.randint(n, (32,), generator=generator)
        others, counts = draw_pool(rows, n, size, replacement=False, generator=generator)
        assert len(set(others.tolist())) == size and (counts.sum(1) == size - 1).all()
        assert not (counts & (others == rows[:, None])).any()
        others, counts = draw_pool(rows, n, size, replacement=True, generator=generator)
        assert len(others) == size - 1 and counts.all()


def test_sparse_draws_without_replacement_are_uniform():
    # Of 40 rows 8 are drawn 1000 times: each row's count is binomial, variance 1000 * .2 * .8 = 160, sd 12.6; five sds.
    generator, counts = torch.Generator().manual_seed(0), torch.zeros(40)
    for _ in range(1000):
        others, _ = draw_pool(torch.tensor([0]), 40, 8, replacement=False, generator=generator)
        counts[others] += 1
    assert (counts - 200).abs().max() < 64


def test_nothing_is_lost_near_the_data():
    # At t = 1 - 2^-20 in float32, s^2 = 10^12: û*_M is u_cond to float32's rounding, where other rows are elsewhere.
    x1, t = ROWS[:1].float(), torch.tensor([1 - 2.0**-20])
    x0, path = torch.tensor([[0.3, -1.2]]), LinearPath()
    others = ROWS[1:].float()
    pooled = pooled_velocity(x0, x1, t, others, torch.ones(1, 3, dtype=torch.bool), path)
    assert torch.equal(pooled, path.conditional_velocity(x0, x1, t))

"""Optimal transport couplings against POT's exact solver, and against what must hold for any of them."""

import numpy as np
import pytest
import torch

from fmdiag.training.couplings import couple, optimal_permutation


def batch(b=24, dim=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, dim, generator=generator), torch.randn(b, dim, generator=generator) + 1, torch.arange(b)


@pytest.mark.parametrize("seed", range(3))
def test_cost_is_that_of_pot(seed):
    ot = pytest.importorskip("ot", reason="install POT for the comparison of optimal plans")
    x0, x1, _ = batch(seed=seed)
    cost = torch.cdist(x0.double(), x1.double()).square().numpy()
    uniform = np.full(len(x0), 1 / len(x0))
    expected = ot.emd2(uniform, uniform, cost)
    ours = cost[np.arange(len(x0)), optimal_permutation(x0, x1).numpy()].mean()
    assert ours == pytest.approx(expected, rel=1e-10)


def test_cost_is_the_least_of_all_permutations():
    from itertools import permutations

    x0, x1, _ = batch(b=6)
    cost = torch.cdist(x0.double(), x1.double()).square()
    best = min(sum(cost[i, p] for i, p in enumerate(order)) for order in permutations(range(6)))
    assert cost[torch.arange(6), optimal_permutation(x0, x1)].sum().item() == pytest.approx(best.item(), rel=1e-12)


def test_on_a_line_the_plan_sorts():
    x0, x1, rows = batch(dim=1)
    _, paired, numbers = couple("assignment", x0, x1, rows, generator=None)
    assert torch.equal(paired[x0[:, 0].argsort()][:, 0], x1[:, 0].sort().values)
    assert torch.equal(paired, x1[numbers])


def test_plan_draws_its_pairs_with_replacement():
    x0, x1, rows = batch(b=40)
    partner = optimal_permutation(x0, x1)
    a, b, numbers = couple("plan", x0, x1, rows, generator=torch.Generator().manual_seed(0))
    chosen = (a[:, None] == x0).all(2).int().argmax(1)
    assert torch.equal(b, x1[partner[chosen]]) and torch.equal(numbers, partner[chosen])
    # 40 draws of 40 with replacement: about 25 distinct pairs; all 40 has probability 40!/40^40 < 1e-15.
    assert len(set(chosen.tolist())) < 40


def test_independent_leaves_the_draws_alone():
    x0, x1, rows = batch()
    assert couple("independent", x0, x1, rows, generator=None) == (x0, x1, rows)

"""Empirical flow matching: regression on the posterior mean velocity over a random pool of training rows.

    û*_M(x_t, t) = sum_j softmax_j( -||x_t - alpha_t b^j||^2 / (2 sigma_t^2) ) u(x_t | b^j),      b^1 = x1,

b^2 ... b^M drawn from the training set (Bertrand et al., arXiv 2506.03719, algorithm 2). E[û*_M | x_t] = û*(x_t, t)
because b^1 is the row that made x_t (proposition 2): without it the estimate is biased. The others may be drawn with
replacement, or without it and x1 left out, which has a lower variance (derived). M = 1 is conditional flow matching,
M = n without replacement is û*.

One draw of rows serves the whole batch: every sample's pool has the right distribution. û*_M is u_cond plus a
correction that vanishes as t -> 1 (`fmdiag.training.pooled_shift`). The authors' pool is the batch's own rows and
n_samples_mean further ones: their n_samples_mean = 128 at batch 128 is M = 256 here.
"""

import torch

from fmdiag.paths import times_like
from fmdiag.training.pooled_shift import PooledShift

BLOCK_ROWS = 4096   # of a pool at a time


def draw_pool(rows, n, pool_size, *, replacement, generator):
    """Draw the further rows of a batch's pools.

    Parameters
    ----------
    rows : Tensor of int, shape (b,)
        Row numbers of the batch's x1.
    n : int
        Rows of the training set.
    pool_size : int
        M, in [1, n] without replacement.
    replacement : bool
        How the M - 1 others are drawn.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    others : Tensor of int, shape (m,)
        Row numbers, m = M - 1 with replacement and M without.
    counts : Tensor of bool, shape (b, m)
        Which of them belong to the pool of each sample: M - 1 per sample.
    """
    if replacement:
        others = torch.randint(n, (pool_size - 1,), generator=generator)
    else:
        others = _distinct(n, pool_size, generator)
    return others, pool_members(others, rows, replacement=replacement)


def _distinct(n, size, generator):
    """Return `size` distinct numbers below n in random order, without a permutation of all n where few are wanted."""
    if 4 * size > n:
        return torch.randperm(n, generator=generator)[:size]
    drawn = torch.empty(0, dtype=torch.int64)
    while len(drawn) < size:
        # First occurrences of uniform draws, in their order, are a uniform draw without replacement.
        drawn = torch.cat([drawn, torch.randint(n, (size,), generator=generator)])
        _, inverse = torch.unique(drawn, return_inverse=True)
        first = torch.full((int(inverse.max()) + 1,), len(drawn)).scatter_reduce(
            0, inverse, torch.arange(len(drawn)), "amin")
        drawn = drawn[first.sort().values]
    return drawn[:size]


def pool_members(others, rows, *, replacement):
    """Return which of the drawn rows each sample's pool has beside its own x1: bool, shape (b, m).

    With replacement all of them. Without, M rows were drawn for pools of M - 1 others: a sample whose own row is among
    them leaves that one out, every other sample the last; given its row, its others are uniform without replacement.
    """
    if replacement:
        return torch.ones(len(rows), len(others), dtype=torch.bool)
    counts = others != rows[:, None]
    counts[counts.all(1), -1] = False
    return counts


def pooled_velocity(x0, x1, t, others, counts, path):
    """Return û*_M at x_t.

    Parameters
    ----------
    x0, x1 : Tensor, shape (b, *shape)
        Noise and the rows that made x_t.
    t : Tensor, shape (b,)
        Times with sigma_t > 0.
    others : Tensor, shape (m, *shape), or iterable of such
        Further rows, all at once or block after block.
    counts : Tensor of bool, shape (b, m)
        Which of them belong to a sample's pool.
    path : GaussianPath

    Returns
    -------
    Tensor, shape (b, *shape)
    """
    conditional = path.conditional_velocity(x0, x1, t)
    t = times_like(t, x1)
    pool, first = PooledShift(x0.flatten(1), x1.flatten(1), path.alpha(t) / path.sigma(t)), 0
    for block in others.split(BLOCK_ROWS) if isinstance(others, torch.Tensor) else others:
        if len(block):
            pool.add(block.flatten(1), counts[:, first : first + len(block)])
        first += len(block)
    slope = path.d_alpha(t) - path.d_sigma(t) * path.alpha(t) / path.sigma(t)
    return conditional + (slope[:, None] * pool.shift()).to(x1).reshape(x1.shape)

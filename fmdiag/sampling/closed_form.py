"""Sampling of û* and of hybrids by û*'s own steps.

Fields are integrated from t = 0 (noise) to t = 1 (data) by torchdiffeq. The closed form û* is singular at t = 1, so it
is integrated here by its own step, which keeps the posterior mean D fixed over the step,

    x' = alpha' D + (sigma' / sigma) (x - alpha D)

(on the linear path this is Euler's step; on any path DDIM's, Song et al., arXiv 2010.02502). Its last step,
sigma' = 0, lands exactly on D. Where one uniform grid is too coarse, as in low dimensions, the grid goes on
geometrically in 1 - t until one row (or its duplicates) carries the weight, so that û*'s samples are training rows.
With guidance of scale w >= 1 they are rows of the class; of examples that were sampled anew, samples of them.
"""

import torch

from fmdiag.posterior.walk import PlainWalk, Walk
from fmdiag.sampling.integrate import check_steps, time_grid

SHRINK = 0.75          # ratio of one geometric step in 1 - t
SPREAD = 1e-6          # posterior standard deviation, model range, below which a sample has landed
SMALLEST_STEP = 1e-12  # in 1 - t


def closed_form_samples(u_star, x0, n_steps=100):
    """Integrate û* from noise until every sample has landed on a training row (positive control).

    Parameters
    ----------
    u_star : ClosedFormField
        û* of n rows.
    x0 : Tensor, shape (b, *shape)
        Noise.
    n_steps : int
        Uniform steps on [0, 1]; further geometric ones in 1 - t follow where more than one row has weight at the last.

    Returns
    -------
    Tensor, shape (b, *shape)
        Posterior means with a posterior standard deviation of at most 1e-6: training rows, for paths with sigma(1) = 0.
    """
    check_steps(n_steps, "euler")
    return closed_form_states(u_star, x0, time_grid(n_steps), [1.0])[1.0].to(x0.dtype)


def closed_form_states(u_star, x0, grid, taus):
    """Return {tau: state} along one trajectory of û*, float64; `grid` must contain every tau.

    Ranks share the samples out, and each returns all of them.
    """
    parts = u_star.posterior.group.spread(x0, lambda mine: _states(u_star, mine, grid, taus))
    return {tau: torch.cat([part[tau] for part in parts]) for tau in parts[0]}


def _states(u_star, x0, grid, taus):
    walk = Walk(u_star, x0) if u_star.posterior.on_rows else PlainWalk(u_star, x0)
    states = {0.0: x0.double()} if 0.0 in taus else {}
    for start, stop in zip(grid[:-1], grid[1:], strict=True):
        if start >= max(taus):
            break
        if stop == 1.0:
            _land(walk, start)
        else:
            walk.advance(walk.means(start), start, stop)
        if stop in taus:
            states[stop] = walk.state(stop).to(x0.device)
    return states


def _land(walk, start):
    """Finish all samples, by geometric steps in 1 - t from `start` for those whose posterior still has several rows."""
    rest = 1.0 - start
    while bool(walk.active.any()):
        mean = walk.means(1.0 - rest)
        landed = walk.active & ((walk.spread.sqrt() <= SPREAD) | (rest <= SMALLEST_STEP))
        walk.finish(torch.nonzero(landed).reshape(-1), mean[landed], 1.0 - rest)
        walk.advance(mean, 1.0 - rest, 1.0 - SHRINK * rest)
        rest *= SHRINK

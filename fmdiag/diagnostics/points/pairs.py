"""Pairs (x0, x1) on the probability path at which a field is looked at, the same ones at every time."""

from dataclasses import dataclass

import pandas as pd
import torch

from fmdiag.datasets.moments import sampled
from fmdiag.errors import FmdiagError
from fmdiag.sampling import draw_noise


@dataclass(frozen=True)
class Pairs:
    """Independent pairs (x0, x1) ~ N(0, I) x uniform rows of a training set.

    Attributes
    ----------
    x0, x1 : Tensor, float32, shape (b, *shape)
        Noise and data, model range.
    rows : Tensor of int64, shape (b,)
        The training row that each x1 is.
    """

    x0: torch.Tensor
    x1: torch.Tensor
    rows: torch.Tensor

    def select(self, chosen):
        """Return some of the pairs, by number."""
        return Pairs(self.x0[chosen], self.x1[chosen], self.rows[chosen])

    def at(self, path, t):
        """Return (x_t, u_cond), float64, at one time t; shapes (b, *shape)."""
        x0, x1 = self.x0.double(), self.x1.double()
        return path.sample(x0, x1, t), path.conditional_velocity(x0, x1, t)


def draw_pairs(training_set, n_pairs, *, generator):
    """Draw pairs, x1 uniformly with replacement among all rows (mirror images included), sampled anew where they were.

    Raises
    ------
    FmdiagError
        If n_pairs is less than 1.
    """
    if n_pairs < 1:
        raise FmdiagError(f"n_pairs must be at least 1, got {n_pairs}")
    rows = torch.randint(training_set.n, (n_pairs,), generator=generator)
    x0 = draw_noise(n_pairs, training_set.shape, generator=generator)
    return Pairs(x0, sampled(training_set, rows.numpy(), generator), rows)


def shared(curve, group):
    """Yield this rank's share of every part of a posterior curve: (number of the time, numbers of pairs, Posterior)."""
    for k, chosen, found in curve:
        part = group.share(len(chosen))
        if part.start < part.stop:
            yield k, chosen[part], found.select(part)


def joined(parts, group):
    """Return one table, ordered by time and pair, of the tables that all ranks made of their shares; empty of none."""
    tables = [table for tables in group.gather(parts) for table in tables]
    if not tables:
        return pd.DataFrame()
    return pd.concat(tables, ignore_index=True).sort_values(["t", "pair"], ignore_index=True)


def cosine(u, v):
    """Return the cosine between vectors, shape (b,), for u and v of shape (b, *shape); NaN where one of them is 0."""
    u, v = u.flatten(1).double(), v.flatten(1).double()
    norms = u.norm(dim=1) * v.norm(dim=1)
    return torch.where(norms > 0, (u * v).sum(1) / norms, torch.nan).clamp(-1, 1)


def check_times(times):
    """Return the times as a list of floats; raise FmdiagError unless all are in [0, 1), where û* exists."""
    times = [float(t) for t in times]
    if not times or not all(0 <= t < 1 for t in times):
        raise FmdiagError(f"times must be in [0, 1) (û* is singular at t = 1), got {times}")
    return times

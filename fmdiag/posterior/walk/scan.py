"""Scan of all rows: the posterior mean of b points at one time, and which rows could matter later.

With y = x / sigma and s = alpha / sigma the log-weight of row X_i is

    q_i = -||y - s X_i||^2 / 2 = -||y||^2 / 2 + <s y, X_i> - s^2 ||X_i||^2 / 2,

one product per block, in float64, with an online softmax. The expansion's rounding is bounded and reported: where it is
too coarse the caller measures the rows that matter again from their differences.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from fmdiag.posterior.rows import SMALL_DIM
from fmdiag.posterior.state import FLOOR

LN2 = math.log(2)
EPSILON = 2.0**-53
COUNTED = 8    # of so many blocks one is counted where nothing hangs on the number but whether to collect next time


@dataclass(frozen=True)
class Scan:
    """What one pass found out about b points; float64.

    Attributes
    ----------
    mean : Tensor, shape (b, dim)
        Posterior mean.
    top : Tensor, shape (b,)
        Largest log-weight q_i.
    count : Tensor of int64, shape (b,)
        At most so many rows have a log-weight above top - cut; an estimate where no rows were collected.
    point, row : Tensor of int64, shape (k,)
        These rows of the points for which they were asked, ordered by point.
    rounding : Tensor, shape (b,)
        Typical error of a log-weight.
    worst : Tensor, shape (b,)
        Bound on it.
    """

    mean: torch.Tensor
    top: torch.Tensor
    count: torch.Tensor
    point: torch.Tensor
    row: torch.Tensor
    rounding: torch.Tensor
    worst: torch.Tensor


class Scanner:
    """Passes over the rows of a store.

    Parameters
    ----------
    store : RowStore
        The rows; their squared norms are kept.
    """

    def __init__(self, store):
        self.store, self.short = store, store.dim <= SMALL_DIM
        # Written into one tensor: small ones kept between large blocks would scatter the heap until it is all resident.
        self.norms = torch.empty(store.n, dtype=torch.float64, device=store.device)
        for first, block in store.blocks():
            self.norms[first : first + len(block)] = block.double().square().sum(1)
        self.reach = self.norms.max().sqrt()

    def __call__(self, x, alpha, sigma, *, cut, collect):
        """Return the Scan of points at one time.

        Parameters
        ----------
        x : Tensor, float64, shape (b, dim)
            Points.
        alpha, sigma : float
            The path's schedules at the time; sigma > 0.
        cut : float
            Rows further than this below the top do not count; at most 80.
        collect : Tensor of bool, shape (b,)
            Points whose rows above the cut are returned by number; without any, rows are counted in every eighth block.
        """
        y, s = x / sigma, alpha / sigma
        rounding, worst = _errors(y.norm(dim=1), s * self.reach, x.shape[1])
        least = (-cut - 2 * worst).clamp(min=-FLOOR).exp()[:, None]
        sums, wanted, found = _Sums(*x.shape, x.device, self.short), torch.nonzero(collect).reshape(-1), []
        every = 1 if len(wanted) else COUNTED
        for number, (first, block) in enumerate(self.store.blocks()):
            rows = block.double()
            bias = self.norms[first : first + len(rows)] * (-0.5 * s * s)
            weights = sums.add(torch.addmm(bias, y, rows.T, alpha=s), rows)
            if number % every == 0:
                sums.count += every * (weights > least).sum(1)
            if len(wanted):
                place, column = torch.nonzero(weights[wanted] > least[wanted], as_tuple=True)
                found.append((wanted[place], column + first))
        top = sums.top - 0.5 * y.square().sum(1)
        return Scan(sums.rows / sums.weight[:, None], top, sums.count, *_by_point(found, x.device), rounding, worst)


class _Sums:
    """Softmax sums over the blocks so far, relative to the running maximum."""

    def __init__(self, b, dim, device, short):
        self.short = short
        self.top = torch.full((b,), -torch.inf, dtype=torch.float64, device=device)
        self.weight = torch.zeros(b, dtype=torch.float64, device=device)
        self.rows = torch.zeros(b, dim, dtype=torch.float64, device=device)
        self.count = torch.zeros(b, dtype=torch.int64, device=device)

    def add(self, logs, rows):
        """Add a block from its log-weights, shape (b, m), overwritten; return its weights."""
        top = torch.maximum(self.top, logs.amax(1))
        factor = (self.top - top).exp()
        # torch's exp2 takes half the time of its exp on a CPU.
        weights = logs.sub_(top[:, None]).clamp_(min=-FLOOR).mul_(1 / LN2).exp2_()
        if self.short:
            # (b, dim + 1): a product with its long side in front, and the sum of the weights for nothing.
            sums = F.linear(weights, torch.cat([rows.T, torch.ones_like(rows.T[:1])]))
            self.weight.mul_(factor).add_(sums[:, -1])
            self.rows.mul_(factor[:, None]).add_(sums[:, :-1])
        else:
            self.weight.mul_(factor).add_(weights.sum(1))
            self.rows.mul_(factor[:, None]).addmm_(weights, rows)
        self.top = top
        return weights


def _errors(length, reach, dim):
    """Return (typical, worst) rounding of |y|^2 - 2 <y, s X> + |s X|^2 (Higham, section 3.1), shape (b,)."""
    scale = EPSILON * (length + reach).square() / 2
    return scale, (dim + 4) * scale


def _by_point(found, device):
    if not found:
        return torch.empty(2, 0, dtype=torch.int64, device=device)
    point, row = (torch.cat(parts) for parts in zip(*found, strict=True))
    order = torch.argsort(point, stable=True)
    return point[order], row[order]

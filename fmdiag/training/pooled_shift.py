"""The posterior mean over a random pool of rows, as its distance from the sample's own row x1.

With s = alpha / sigma the log-weight of a row X relative to that of x1 is (derived)

    l = -s <x0, x1 - X> - s^2 ||x1 - X||^2 / 2,        shift = sum_j lambda_j (X_j - x1),

where x1 itself has l = 0. Two matrix products give l for all samples and rows. Their rounding grows as s^2, so where it
could be felt the rows that carry weight are measured again from the differences x1 - X in float64, and summed as such:
then nothing cancels as t -> 1, near-duplicates and rows far from the origin included. Such rows are few, because the
others have no weight there. Rows may come in blocks, with a running softmax over them.
"""

import torch

from fmdiag.posterior.rows import product_dtype
from fmdiag.posterior.state import FLOOR

TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-5}   # typical rounding of a log-weight
GATHER_BYTES = 1 << 26


class PooledShift:
    """Running softmax sums over the pools of b samples, each of which holds the sample's own row.

    Parameters
    ----------
    x0, x1 : Tensor, shape (b, dim)
        Noise and the samples' own rows.
    s : Tensor, float64, shape (b,)
        alpha / sigma at the samples' times.
    """

    def __init__(self, x0, x1, s):
        self.x0, self.x1, self.s = x0, x1, s
        self.dtype = product_dtype(x0.shape[1])
        self.center = x1.mean(0).to(self.dtype)
        self.noise, self.own = x0.to(self.dtype), x1.to(self.dtype) - self.center
        self.top, self.weight = torch.zeros_like(s), torch.ones_like(s)      # of the own row alone
        self.total = torch.zeros(x1.shape, dtype=torch.float64, device=x1.device)

    def shift(self):
        """Return sum_j lambda_j (X_j - x1), float64, shape (b, dim)."""
        return self.total / self.weight[:, None]

    def add(self, rows, counts):
        """Add a block of rows, shape (m, dim), to the pools that `counts` them (bool, shape (b, m))."""
        near = rows.to(self.dtype) - self.center
        logs, scale = self._by_products(near)
        logs.masked_fill_(~counts, -torch.inf)
        eps = torch.finfo(self.dtype).eps
        coarse = 2 * eps * scale / near.shape[1] ** 0.5 > TOLERANCE[self.dtype]
        if bool(coarse.any()):
            # Rows this far below the top have no weight whatever the products' rounding (Higham, section 3.1).
            worst = (near.shape[1] + 4) * eps * scale
            least = torch.maximum(self.top, logs.amax(1).double()) - FLOOR - 2 * worst
            self._add_differences(rows, torch.nonzero((logs > least[:, None]) & coarse[:, None]))
            logs.masked_fill_(coarse[:, None], -torch.inf)
        self._add_products(logs, near)

    def _by_products(self, near):
        """Return (log-weights, shape (b, m); size of the terms that cancel in them, shape (b,))."""
        along = (self.noise * self.own).sum(1, keepdim=True) - self.noise @ near.T
        apart = self.own.square().sum(1, keepdim=True) + near.square().sum(1) - 2 * self.own @ near.T
        s = self.s.to(self.dtype)[:, None]
        reach = self.s * (near.norm(dim=1).max() + self.own.norm(dim=1)).double()
        return -s * (along + s / 2 * apart), reach * (self.noise.norm(dim=1).double() + reach)

    def _add_products(self, logs, near):
        self._rescale(logs.amax(1).double())
        weights = logs.sub_(self.top.to(self.dtype)[:, None])
        weights = weights.exp().masked_fill_(weights < -FLOOR, 0.0)
        mass = weights.sum(1, keepdim=True)
        self.weight += mass[:, 0].double()
        self.total += (weights @ near - mass * self.own).double()

    def _add_differences(self, rows, entries):
        """Add single rows to single samples; `entries` (int64, shape (k, 2)) holds (sample, row)."""
        for part in entries.split(max(1, GATHER_BYTES // (8 * rows.shape[1]))):
            sample, row = part.T
            apart = rows[row].double() - self.x1[sample].double()
            s = self.s[sample]
            logs = s * (self.x0[sample].double() * apart).sum(1) - s.square() / 2 * apart.square().sum(1)
            self._rescale(torch.full_like(self.top, -torch.inf).scatter_reduce_(0, sample, logs, "amax"))
            weights = (logs - self.top[sample]).exp()
            self.weight.index_add_(0, sample, weights)
            self.total.index_add_(0, sample, weights[:, None] * apart)

    def _rescale(self, top):
        """Express the sums relative to the largest log-weight once `top` is among them."""
        top = torch.maximum(self.top, top)
        factor = (self.top - top).exp()
        self.weight, self.top = self.weight * factor, top
        self.total *= factor[:, None]

"""In few dimensions the rows are read for nothing: the posterior of b pairs over all rows, by differences, in one pass.

With z = x1 + x0 / s the log-weight relative to the pair's own row is

    l_i(s) = ||x0||^2 / 2 - ||s X_i - s z||^2 / 2,

a coordinate at a time, in float32 and without the cancellation of an expanded product, so that it is right until s
itself magnifies the rounding of the rows. It lies below ||x0||^2 / 2, so the exponential needs no maximum beforehand.
"""

import torch

from fmdiag.posterior.dense import FLOOR, DenseStats

MOST_DIM = 8
MOST_LOG = 60.0          # float32 overflows at e^88
BLOCK_BYTES = 1 << 21    # of log-weights at a time


class Differences:
    """The rows as few coordinates, ready for `stats_at`.

    Parameters
    ----------
    x0, x1 : Tensor, float64, shape (b, dim)
        Noise and data of the pairs.
    store : RowStore
        This rank's m rows, kept in memory.
    """

    def __init__(self, x0, x1, store):
        self.center, self.group, self.first = store.center(), store.group, store.first
        self.x0, self.x1 = x0, x1 - self.center
        self.rows = (store.kept.double() - self.center).T.contiguous()          # (dim, m)
        norms = self.rows.square().sum(0, keepdim=True)
        self.sums_of = torch.cat([self.rows, norms, torch.ones_like(norms)]).float()   # what is summed with weights
        reach = torch.cat([self.rows.abs().reshape(-1), self.x1.abs().reshape(-1)]).max().reshape(1)
        self.reach = self.group.max(reach).item()
        self.block = max(1, BLOCK_BYTES // (4 * len(x0)))
        # Reused: fresh buffers of this size are pages from the system, which cost more than the arithmetic in them.
        self.buffers = torch.empty(3, len(x0) * self.block, device=x0.device)

    @staticmethod
    def fit(x0, store):
        """Return whether pairs of noise x0 can be served: few dimensions, rows in memory, no overflow."""
        return store.dim <= MOST_DIM and store.kept is not None and x0.square().sum(1).max().item() / 2 <= MOST_LOG

    def rounding(self, s, cutoff):
        """Return the rounding error of log-weights down to -cutoff: s X is off by eps s |X|, the root by sqrt(2 l)."""
        return 2.0**-24 * s * self.reach * (2 * cutoff + self.x0.square().sum(1).max().item()) ** 0.5

    def stats_at(self, s):
        """Return (DenseStats, posterior means) of all pairs at `s`; shapes (b,) and (b, dim)."""
        b, m = len(self.x0), self.rows.shape[1]
        sums = torch.zeros(len(self.sums_of), b, dtype=torch.float64, device=self.x0.device)
        square, log = torch.zeros_like(sums[0]), torch.zeros_like(sums[0])
        tops = []
        for start in range(0, m, self.block):
            logs = self.logs(s, slice(start, start + self.block))
            tops.append(logs.amax(1))
            weights = torch.exp(logs.clamp_(min=-FLOOR), out=self._buffer(2, logs.shape))
            square += torch.linalg.vecdot(weights, weights)
            log += torch.linalg.vecdot(weights, logs)
            sums += self.sums_of[:, start : start + self.block] @ weights.T
        tops = torch.stack(tops or [torch.full((b,), -torch.inf, device=self.x0.device)], 1)
        merged = self.group.sum(torch.cat([sums, square[None], log[None]]))
        return self._finish(s, tops, merged)

    def logs(self, s, span, pairs=slice(None)):
        """Return l_i(s) of some pairs on a span of rows, float32, shape (b, m), valid until the next call."""
        scale, x0 = 0.5**0.5, self.x0[pairs]
        points = (scale * (s * self.x1[pairs] + x0)).float()
        rows = (scale * s * self.rows[:, span]).float()
        logs = (0.5 * x0.square().sum(1, keepdim=True)).float()
        shape = (len(x0), rows.shape[1])
        difference, out = self._buffer(0, shape), self._buffer(1, shape)
        for j in range(len(rows)):
            torch.sub(rows[j], points[:, j, None], out=difference)
            logs = torch.addcmul(logs, difference, difference, value=-1, out=out)
        return logs

    def _buffer(self, number, shape):
        return self.buffers[number, : shape[0] * shape[1]].view(shape)

    def _finish(self, s, tops, merged):
        *coordinates, norm, weight, square, log = merged
        rows = torch.stack(coordinates, 1)
        top = self.group.max(tops.amax(1)).double()
        linear = weight * (self.x0 * self.x1).sum(1) - (rows * self.x0).sum(1)     # sum of w a
        early = -0.5 * (weight * self.x1.square().sum(1) + norm - 2 * (rows * self.x1).sum(1))
        half = (log + s * linear) / s**2 if s >= 1 else early
        factor = (-top).exp()
        stats = DenseStats(s, top, weight * factor, square * factor.square(), (log - top * weight) * factor,
                           half * factor, self._top_rows(s, tops, top), torch.ones(len(top), 1, device=top.device))
        return stats, rows / weight[:, None] + self.center

    def _top_rows(self, s, tops, top):
        best, reached = tops.argmax(1), tops.amax(1).double() == top
        top_row = torch.full_like(best, torch.iinfo(torch.int64).max)
        for k in best[reached].unique().tolist():
            here = torch.nonzero((best == k) & reached).reshape(-1)
            span = slice(k * self.block, (k + 1) * self.block)
            top_row[here] = self.logs(s, span, here).argmax(1) + span.start + self.first
        return self.group.min(top_row)

    def above(self, s, cutoff):
        """Return (pairs, rows, -a, -b / 2), flat and by pair: every row with l_i(s) > -cutoff, coefficients float64."""
        found = []
        for start in range(0, self.rows.shape[1], self.block):
            pair, row = torch.nonzero(self.logs(s, slice(start, start + self.block)) > -cutoff, as_tuple=True)
            found.append((pair, row + start))
        pair, row = (torch.cat(parts) for parts in zip(*found, strict=True)) if found else [torch.empty(0).long()] * 2
        order = pair.argsort(stable=True)
        pair, row = pair[order], row[order]
        linear, quadratic = torch.zeros_like(pair, dtype=torch.float64), torch.zeros_like(pair, dtype=torch.float64)
        for x0, x1, rows in zip(self.x0.T, self.x1.T, self.rows, strict=True):
            difference = x1[pair] - rows[row]
            linear -= x0[pair] * difference
            quadratic -= 0.5 * difference.square()
        return pair, row, linear, quadratic

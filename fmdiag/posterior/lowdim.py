"""In few dimensions the rows are read for nothing: the posterior of b pairs over all rows, by differences, in one pass.

With z = x1 + x0 / s the log-weight relative to the pair's own row is

    l_i(s) = ||x0||^2 / 2 - ||s X_i - s z||^2 / 2,

a coordinate at a time and without the cancellation of an expanded product, in float64: û* is right to 1e-12 at every
time. It lies below ||x0||^2 / 2, so the exponential needs no maximum beforehand.
Log-weights are formed in units of ln 2: torch's exp2 takes half the time of its exp on a CPU.
"""

import math

import torch
import torch.nn.functional as F

from fmdiag.posterior.dense import FLOOR, DenseStats
from fmdiag.posterior.rounding import UNIT

LN2 = math.log(2)
MOST_DIM = 8
MOST_LOG = 300.0         # float64 overflows at e^709
BLOCK_BYTES = 3 << 20    # of log-weights at a time: with the differences, what one core of two keeps in cache
STRIP = 256              # rows whose largest log-weight is kept, to find the largest of all again
EXPANDED = 100.0         # s |X| up to which sum w l follows from sum w X and sum w |X|^2: off by 2^-51 s^2 |X|^2


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
        rows = (store.kept.double() - self.center).T.contiguous()          # (dim, m)
        norms = rows.square().sum(0, keepdim=True)
        farthest = torch.cat([norms.reshape(-1), self.x1.square().sum(1)]).max().reshape(1)
        self.reach = self.group.max(farthest).item() ** 0.5                # largest ||X - center||
        self.noise = x0.norm(dim=1)
        self.rows, self.missing = rows, -rows.shape[1] % STRIP   # rows missing to whole strips
        self.sums_of = F.pad(torch.cat([rows, norms, torch.ones_like(norms)]), (0, self.missing))
        self.block = max(STRIP, BLOCK_BYTES // (8 * len(x0)) // STRIP * STRIP)
        # Additions in a row of any sum, on any rank.
        self.steps = self.block + store.n / self.block + self.group.size + 8
        # Reused: fresh buffers of this size are pages from the system, which cost more than the arithmetic in them.
        self.buffers = torch.empty(2, len(x0) * self.block, dtype=torch.float64, device=x0.device)

    @staticmethod
    def fit(x0, store):
        """Return whether pairs of noise x0 can be served: few dimensions, rows in memory, no overflow."""
        return store.dim <= MOST_DIM and store.kept is not None and x0.square().sum(1).max().item() / 2 <= MOST_LOG

    def rounding(self, s):
        """Return the bound on the rounding of the log-weights of rows with weight at `s`, shape (b,).

        s X and s z are off by a few units in their last place, and their squared difference by its root times that.
        """
        dim, unit = len(self.rows), UNIT[torch.float64]
        square = self.noise.square() + 2 * FLOOR
        entry = 4 * unit * (s * self.reach + self.noise)
        return dim**0.5 * entry * square.sqrt() + (dim + 8) * unit * square

    def stats_at(self, s):
        """Return (DenseStats, posterior means) of all pairs at `s`; shapes (b,) and (b, dim)."""
        b, m = len(self.x0), self.rows.shape[1]
        sums = torch.zeros(b, len(self.rows) + 2, dtype=torch.float64, device=self.x0.device)
        square, log = torch.zeros_like(sums[:, 0]), torch.zeros_like(sums[:, 0])
        tops, expanded, scaled = [], s * self.reach <= EXPANDED, self._scaled(s)
        # The largest distance of s X from s z tells whether denormals can occur.
        far = (2 * s * self.reach + self.noise.max().item()) ** 2 / 2 > FLOOR
        for start in range(0, m, self.block):
            logs = self._logs(scaled, slice(start, start + self.block))
            tops.append(logs.unflatten(1, (-1, STRIP)).amax(2))
            if far or start + self.block > m:   # what fills the last strip is infinitely far
                logs.clamp_(min=-FLOOR / LN2)
            # In place where the log-weights are not needed again: less to go through the cache.
            weights = torch.exp2(logs, out=logs if expanded else self._buffer(0, logs.shape))
            square += torch.linalg.vector_norm(weights, dim=1).square()
            # (b, 4), not (4, b): a product with its long side in front uses both cores.
            sums += F.linear(weights, self.sums_of[:, start : start + self.block])
            if not expanded:
                log += logs.mul_(weights).sum(1)
        tops = torch.cat(tops or [torch.full((b, 1), -torch.inf, dtype=torch.float64, device=self.x0.device)], 1)
        merged = self.group.sum(torch.cat([sums.T, square[None], LN2 * log[None]]))
        return self._finish(s, scaled, tops, merged, expanded)

    def _scaled(self, s):
        """Return (rows, points, largest log-weights) of which the log-weights are differences, in units of ln 2."""
        scale = (0.5 / LN2) ** 0.5
        largest = 0.5 / LN2 * self.x0.square().sum(1, keepdim=True)
        rows = F.pad(scale * s * self.rows, (0, self.missing), value=torch.inf)
        return rows, scale * (s * self.x1 + self.x0), largest

    def _logs(self, scaled, span):
        """Return l_i(s) / ln 2 on a span of rows, shape (b, m), valid until the next call."""
        rows, points, logs = scaled[0][:, span], *scaled[1:]
        shape = (len(points), rows.shape[1])
        difference, out = self._buffer(0, shape), self._buffer(1, shape)
        for j in range(len(rows)):
            torch.sub(rows[j], points[:, j, None], out=difference)
            logs = torch.addcmul(logs, difference, difference, value=-1, out=out)
        return logs

    def _buffer(self, number, shape):
        """Return a buffer: differences and, where log-weights are still needed, weights in 0, log-weights in 1."""
        return self.buffers[number, : shape[0] * shape[1]].view(shape)

    def _finish(self, s, scaled, tops, merged, expanded):
        *coordinates, norm, weight, square, log = merged
        rows = torch.stack(coordinates, 1)
        highest = self.group.max(tops.amax(1))
        top = LN2 * highest
        linear = weight * (self.x0 * self.x1).sum(1) - (rows * self.x0).sum(1)     # sum of w a
        if expanded:
            half = -0.5 * (weight * self.x1.square().sum(1) + norm - 2 * (rows * self.x1).sum(1))
            log = s**2 * half - s * linear
        else:
            half = (log + s * linear) / s**2
        factor = (-top).exp()
        stats = DenseStats(s, top, weight * factor, square * factor.square(), (log - top * weight) * factor,
                           half * factor, self._top_rows(scaled, tops, highest), torch.ones_like(top)[:, None])
        return stats, rows / weight[:, None] + self.center

    def _top_rows(self, scaled, tops, highest):
        """Return each pair's row of largest weight, from the strip of rows that holds it; shape (b,)."""
        top_row = torch.full_like(highest, torch.iinfo(torch.int64).max, dtype=torch.int64)
        here = torch.nonzero(tops.amax(1) == highest).reshape(-1)
        if len(here) and self.rows.shape[1]:
            rows, points, _ = scaled
            strip = tops[here].argmax(1)
            near = rows.unflatten(1, (-1, STRIP)).index_select(1, strip)             # (dim, pairs here, STRIP)
            nearest = (near - points[here].T[:, :, None]).square().sum(0).argmin(1)
            top_row[here] = STRIP * strip + nearest + self.first
        return self.group.min(top_row)

    def above(self, s, cutoff):
        """Return (pairs, rows, -a, -b / 2), flat and by pair: every row with l_i(s) > -cutoff, and its coefficients."""
        found, scaled = [], self._scaled(s)
        for start in range(0, self.rows.shape[1], self.block):
            logs = self._logs(scaled, slice(start, start + self.block))
            pair, row = torch.nonzero(logs > -cutoff / LN2, as_tuple=True)
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

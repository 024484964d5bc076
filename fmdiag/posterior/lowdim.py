"""In few dimensions the rows are read for nothing: the posterior of b pairs over all rows, by differences, in one pass.

With z = x1 + x0 / s the log-weight relative to the pair's own row is

    l_i(s) = ||x0||^2 / 2 - ||s X_i - s z||^2 / 2,

a coordinate at a time, in float32 and without the cancellation of an expanded product, so that it is right until s
itself magnifies the rounding of the rows. It lies below ||x0||^2 / 2, so the exponential needs no maximum beforehand.
Log-weights are formed in units of ln 2: torch's exp2 takes a third of the time of its exp on a CPU.
"""

import math

import torch
import torch.nn.functional as F

from fmdiag.posterior.dense import FLOOR, DenseStats

LN2 = math.log(2)
MOST_DIM = 8
MOST_LOG = 60.0          # float32 overflows at e^88
BLOCK_BYTES = 1 << 21    # of log-weights at a time
STRIP = 256              # rows whose largest log-weight is kept, to find the largest of all again
EXPANDED = 6.0           # s |X| up to which sum w l follows from sum w X and sum w |X|^2: off by 2^-22 s^2 |X|^2


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
        reach = torch.cat([rows.abs().reshape(-1), self.x1.abs().reshape(-1)]).max().reshape(1)
        self.reach = self.group.max(reach).item()
        self.rows, self.missing = rows, -rows.shape[1] % STRIP   # rows missing to whole strips
        self.sums_of = F.pad(torch.cat([rows, norms, torch.ones_like(norms)]), (0, self.missing)).float()
        self.block = max(STRIP, BLOCK_BYTES // (4 * len(x0)) // STRIP * STRIP)
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
        tops, expanded, scaled = [], s * self.reach <= EXPANDED, self._scaled(s)
        for start in range(0, m, self.block):
            logs = self._logs(scaled, slice(start, start + self.block))
            tops.append(logs.unflatten(1, (-1, STRIP)).amax(2))
            weights = torch.exp2(logs.clamp_(min=-FLOOR / LN2), out=self._buffer(2, logs.shape))
            square += torch.linalg.vector_norm(weights, dim=1).double().square()
            sums += self.sums_of[:, start : start + self.block] @ weights.T
            if not expanded:
                log += logs.mul_(weights).sum(1)
        tops = torch.cat(tops or [torch.full((b, 1), -torch.inf, device=self.x0.device)], 1)
        merged = self.group.sum(torch.cat([sums, square[None], LN2 * log[None]]))
        return self._finish(s, scaled, tops, merged, expanded)

    def logs(self, s, span, pairs=slice(None)):
        """Return l_i(s) / ln 2 of some pairs on a span of rows, float32, shape (b, m), valid until the next call."""
        return self._logs(self._scaled(s), span, pairs)

    def _scaled(self, s):
        """Return (rows, points, largest log-weights) of which the log-weights are differences, in units of ln 2."""
        scale = (0.5 / LN2) ** 0.5
        largest = (0.5 / LN2 * self.x0.square().sum(1, keepdim=True)).float()
        # What fills the last strip is infinitely far, and nothing is summed of it.
        rows = F.pad((scale * s * self.rows).float(), (0, self.missing), value=torch.inf)
        return rows, (scale * (s * self.x1 + self.x0)).float(), largest

    def _logs(self, scaled, span, pairs=slice(None)):
        rows, points, logs = scaled[0][:, span], scaled[1][pairs], scaled[2][pairs]
        shape = (len(points), rows.shape[1])
        difference, out = self._buffer(0, shape), self._buffer(1, shape)
        for j in range(len(rows)):
            torch.sub(rows[j], points[:, j, None], out=difference)
            logs = torch.addcmul(logs, difference, difference, value=-1, out=out)
        return logs

    def _buffer(self, number, shape):
        return self.buffers[number, : shape[0] * shape[1]].view(shape)

    def _finish(self, s, scaled, tops, merged, expanded):
        *coordinates, norm, weight, square, log = merged
        rows = torch.stack(coordinates, 1)
        highest = self.group.max(tops.amax(1))
        top = LN2 * highest.double()
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
            strip = STRIP * tops[here].argmax(1, keepdim=True) + torch.arange(STRIP, device=rows.device)
            distances = sum((rows[j][strip] - points[here, j, None]).square() for j in range(len(rows)))
            top_row[here] = strip.gather(1, distances.argmin(1, keepdim=True))[:, 0] + self.first
        return self.group.min(top_row)

    def above(self, s, cutoff):
        """Return (pairs, rows, -a, -b / 2), flat and by pair: every row with l_i(s) > -cutoff, coefficients float64."""
        found = []
        for start in range(0, self.rows.shape[1], self.block):
            pair, row = torch.nonzero(self.logs(s, slice(start, start + self.block)) > -cutoff / LN2, as_tuple=True)
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

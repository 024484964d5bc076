"""In few dimensions the rows are read for nothing: the posterior of b pairs over all rows, by differences, in one pass.

With z = x1 + x0 / s the log-weight relative to the pair's own row is

    l_i(s) = ||x0||^2 / 2 - ||s X_i - s z||^2 / 2,

a coordinate at a time and without the cancellation of an expanded product, so that float32 is right until s itself
magnifies the rounding of the rows; from there on differences and sums are taken in float64, at twice the price. It lies
below ||x0||^2 / 2, so the exponential needs no maximum beforehand.
Log-weights are formed in units of ln 2: torch's exp2 takes a third of the time of its exp on a CPU.
"""

import math

import torch
import torch.nn.functional as F

from fmdiag.posterior.dense import FLOOR, DenseStats

LN2 = math.log(2)
MOST_DIM = 8
MOST_LOG = 60.0          # float32 overflows at e^88
BLOCK_BYTES = 3 << 20    # of log-weights at a time: with differences and weights, what one core of two keeps in cache
STRIP = 256              # rows whose largest log-weight is kept, to find the largest of all again
ROUNDING = 2e-5          # of a log-weight: beyond it float32 is left
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
        self.most_noise = x0.square().sum(1).max().item() ** 0.5
        self.rows, self.missing = rows, -rows.shape[1] % STRIP   # rows missing to whole strips
        sums_of = F.pad(torch.cat([rows, norms, torch.ones_like(norms)]), (0, self.missing))
        self.sums_of = {torch.float64: sums_of, torch.float32: sums_of.float()}
        self.block = max(STRIP, BLOCK_BYTES // (4 * len(x0)) // STRIP * STRIP)
        # Reused: fresh buffers of this size are pages from the system, which cost more than the arithmetic in them.
        self.buffers = torch.empty(5, len(x0) * self.block, device=x0.device)

    @staticmethod
    def fit(x0, store):
        """Return whether pairs of noise x0 can be served: few dimensions, rows in memory, no overflow."""
        return store.dim <= MOST_DIM and store.kept is not None and x0.square().sum(1).max().item() / 2 <= MOST_LOG

    def dtype(self, s, cutoff):
        """Return float32 while it is off by less than ROUNDING in log-weights down to -cutoff, else float64."""
        # s X is off by eps s |X|, and the root of its square by sqrt(2 l).
        rounding = 2.0**-24 * s * self.reach * (2 * cutoff + self.most_noise**2) ** 0.5
        return torch.float32 if rounding <= ROUNDING else torch.float64

    def stats_at(self, s, dtype=torch.float32):
        """Return (DenseStats, posterior means) of all pairs at `s`; shapes (b,) and (b, dim)."""
        b, m = len(self.x0), self.rows.shape[1]
        sums = torch.zeros(b, len(self.rows) + 2, dtype=torch.float64, device=self.x0.device)
        square, log = torch.zeros_like(sums[:, 0]), torch.zeros_like(sums[:, 0])
        tops, expanded, scaled = [], s * self.reach <= EXPANDED, self._scaled(s, dtype)
        sums_of = self.sums_of[dtype]
        # The largest distance of s X from s z, a coordinate at most s reach each, tells whether denormals can occur.
        far = (2 * s * self.reach * len(self.rows) ** 0.5 + self.most_noise) ** 2 / 2 > FLOOR
        for start in range(0, m, self.block):
            logs = self._logs(scaled, slice(start, start + self.block))
            tops.append(logs.unflatten(1, (-1, STRIP)).amax(2))
            if far or start + self.block > m:   # what fills the last strip is infinitely far
                logs.clamp_(min=-FLOOR / LN2)
            # In place where the log-weights are not needed again: less to go through the cache.
            weights = torch.exp2(logs, out=logs if expanded else self._buffer(2, logs.shape))
            square += torch.linalg.vector_norm(weights, dim=1).double().square()
            # (b, 4), not (4, b): a product with its long side in front uses both cores.
            sums += F.linear(self._in(dtype, weights), sums_of[:, start : start + self.block])
            if not expanded:
                log += logs.mul_(weights).sum(1)
        tops = torch.cat(tops or [torch.full((b, 1), -torch.inf, device=self.x0.device)], 1)
        merged = self.group.sum(torch.cat([sums.T, square[None], LN2 * log[None]]))
        return self._finish(s, scaled, tops, merged, expanded)

    def _scaled(self, s, dtype):
        """Return (rows, points, largest log-weights) of which the log-weights are differences, in units of ln 2."""
        scale = (0.5 / LN2) ** 0.5
        largest = (0.5 / LN2 * self.x0.square().sum(1, keepdim=True)).to(dtype)
        rows = F.pad((scale * s * self.rows).to(dtype), (0, self.missing), value=torch.inf)
        return rows, (scale * (s * self.x1 + self.x0)).to(dtype), largest

    def _logs(self, scaled, span):
        """Return l_i(s) / ln 2 on a span of rows, float32, shape (b, m), valid until the next call."""
        rows, points, logs = scaled[0][:, span], *scaled[1:]
        shape, dtype = (len(points), rows.shape[1]), rows.dtype
        difference, out = self._buffer(3 if dtype == torch.float64 else 0, shape, dtype), self._buffer(1, shape, dtype)
        for j in range(len(rows)):
            torch.sub(rows[j], points[:, j, None], out=difference)
            logs = torch.addcmul(logs, difference, difference, value=-1, out=out)
        return logs if dtype == torch.float32 else self._buffer(0, shape).copy_(logs)

    def _buffer(self, number, shape, dtype=torch.float32):
        """Return a buffer (float64: two); log-weights are in 0 or 1, weights in 2 or, as float64, in 3 and 4."""
        numbers = shape[0] * shape[1]
        return self.buffers[number:].reshape(-1).view(dtype)[:numbers].view(shape)

    def _in(self, dtype, weights):
        return weights if dtype == torch.float32 else self._buffer(3, weights.shape, dtype).copy_(weights)

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
            strip = tops[here].argmax(1)
            near = rows.unflatten(1, (-1, STRIP)).index_select(1, strip)             # (dim, pairs here, STRIP)
            nearest = (near - points[here].T[:, :, None]).square().sum(0).argmin(1)
            top_row[here] = STRIP * strip + nearest + self.first
        return self.group.min(top_row)

    def above(self, s, cutoff):
        """Return (pairs, rows, -a, -b / 2), flat and by pair: every row with l_i(s) > -cutoff, coefficients float64."""
        found, scaled = [], self._scaled(s, torch.float64)
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

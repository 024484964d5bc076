"""Posterior in few dimensions: b pairs over all rows, by differences in float64, in one pass.

With z = x1 + x0 / s the log-weight relative to the pair's own row is

    l_i(s) = ||x0||^2 / 2 - ||s X_i - s z||^2 / 2,

in float64: û* is right to 1e-12 at every time. While s |X| is small the square is expanded, which takes one product
and cancels nothing yet; then it is formed a coordinate at a time. The log-weight lies below ||x0||^2 / 2, so the
exponential needs no maximum beforehand.
Log-weights are formed in units of ln 2: torch's exp2 takes half the time of its exp on a CPU.
"""

import math

import torch
import torch.nn.functional as F

from fmdiag.posterior.curve.dense import DenseStats
from fmdiag.posterior.rounding import UNIT
from fmdiag.posterior.state import FLOOR

LN2 = math.log(2)
SCALE = (0.5 / LN2) ** 0.5
MOST_DIM = 8
MOST_LOG = 300.0         # float64 overflows at e^709
BLOCK_BYTES = 3 << 20    # of log-weights at a time: with the differences, what one core of two keeps in cache
STRIP = 256              # rows whose largest log-weight is kept, to find the largest of all again
MULTIPLIED = 10.0        # s |X| up to which log-weights come from a product
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
        self.x0, self.x1, self.kept, self.dim = x0, x1 - self.center, store.kept, store.dim
        self.noise = x0.norm(dim=1)
        self.block = max(STRIP, BLOCK_BYTES // (8 * len(x0)) // STRIP * STRIP)
        # Additions in a row of any sum, on any rank.
        self.steps = self.block + store.n / self.block + self.group.size + 8
        # Rows in float64 are made block by block: all of them at once would take five times what they are kept in.
        farthest = [part.double().sub_(self.center).square().sum(1).max() for part in self.kept.split(1 << 20)
                    if len(part)]  # a rank may have no rows at all
        farthest = torch.stack([*farthest, self.x1.square().sum(1).max()]).max().reshape(1)
        self.reach = self.group.max(farthest).item() ** 0.5                # largest ||X - center||
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
        dim, unit = self.dim, UNIT[torch.float64]
        square = self.noise.square() + 2 * FLOOR
        entry = 4 * unit * (s * self.reach + self.noise)
        bound = dim**0.5 * entry * square.sqrt() + (dim + 8) * unit * square
        expanded = (dim + 8) * unit * (2 * s * self.reach + self.noise).square()
        return bound + expanded if s * self.reach <= MULTIPLIED else bound

    def stats_at(self, s):
        """Return (DenseStats, posterior means) of all pairs at `s`; shapes (b,) and (b, dim)."""
        b, m = len(self.x0), len(self.kept)
        sums = torch.zeros(b, self.dim + 2, dtype=torch.float64, device=self.x0.device)
        square, log = torch.zeros_like(sums[:, 0]), torch.zeros_like(sums[:, 0])
        tops, expanded, scaled = [], s * self.reach <= EXPANDED, self._scaled(s)
        # The largest distance of s X from s z tells whether denormals can occur.
        far = (2 * s * self.reach + self.noise.max().item()) ** 2 / 2 > FLOOR
        for start in range(0, m, self.block):
            rows = self._rows(start)
            logs = self._logs(rows, s, scaled)
            logs[:, m - start:] = -FLOOR / LN2   # what fills the last strip
            tops.append(logs.unflatten(1, (-1, STRIP)).amax(2))
            if far:
                logs.clamp_(min=-FLOOR / LN2)
            # In place where the log-weights are not needed again: less to go through the cache.
            weights = torch.exp2(logs, out=logs if expanded else self._buffer(0, logs.shape))
            square += torch.linalg.vector_norm(weights, dim=1).square()
            # (b, 4), not (4, b): a product with its long side in front uses both cores.
            ones = torch.ones_like(rows[:1])
            ones[:, m - start:] = 0
            sums += F.linear(weights, torch.cat([rows, rows.square().sum(0, keepdim=True), ones]))
            if not expanded:
                log += logs.mul_(weights).sum(1)
        tops = torch.cat(tops or [torch.full((b, 1), -torch.inf, dtype=torch.float64, device=self.x0.device)], 1)
        merged = self.group.sum(torch.cat([sums.T, square[None], LN2 * log[None]]))
        return self._finish(s, scaled, tops, merged, expanded)

    def _scaled(self, s):
        """Return (points, largest log-weights): log-weights are their differences from the rows, in units of ln 2."""
        return SCALE * (s * self.x1 + self.x0), 0.5 / LN2 * self.x0.square().sum(1, keepdim=True)

    def _rows(self, start):
        """Return a block of rows less the center, float64, shape (dim, m): whole strips, filled up with zeros."""
        rows = self.kept[start : start + self.block].double().sub_(self.center).T
        return F.pad(rows, (0, -rows.shape[1] % STRIP)).contiguous()

    def _logs(self, rows, s, scaled):
        """Return l_i(s) / ln 2 of a block of rows, shape (b, m), valid until the next call."""
        rows, (points, logs) = rows * (SCALE * s), scaled
        shape = (len(points), rows.shape[1])
        difference, out = self._buffer(0, shape), self._buffer(1, shape)
        if s * self.reach <= MULTIPLIED:
            queries = torch.cat([2 * points, -torch.ones_like(logs)], 1)
            rows = torch.cat([rows, rows.square().sum(0, keepdim=True)])
            return torch.addmm(logs - points.square().sum(1, keepdim=True), queries, rows, out=out)
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
                           half * factor, self._top_rows(s, scaled, tops, highest), torch.ones_like(top)[:, None])
        return stats, rows / weight[:, None] + self.center

    def _top_rows(self, s, scaled, tops, highest):
        """Return each pair's row of largest weight, from the strip of rows that holds it; shape (b,)."""
        top_row = torch.full_like(highest, torch.iinfo(torch.int64).max, dtype=torch.int64)
        here = torch.nonzero(tops.amax(1) == highest).reshape(-1)
        if len(here) and len(self.kept):
            numbers = STRIP * tops[here].argmax(1)[:, None] + torch.arange(STRIP, device=here.device)
            near = self.kept[numbers.clamp(max=len(self.kept) - 1)].double().sub_(self.center).mul_(SCALE * s)
            nearest = (near - scaled[0][here, None]).square().sum(2).argmin(1)
            top_row[here] = numbers.gather(1, nearest[:, None])[:, 0] + self.first
        return self.group.min(top_row)

    def above(self, s, cutoff):
        """Return (pairs, rows, -a, -b / 2), flat and by pair: every row with l_i(s) > -cutoff, and its coefficients."""
        found, scaled = [], self._scaled(s)
        for start in range(0, len(self.kept), self.block):
            rows = self._rows(start)
            pair, row = torch.nonzero(self._logs(rows, s, scaled)[:, : len(self.kept) - start] > -cutoff / LN2,
                                      as_tuple=True)
            found.append((pair, row + start))
        pair, row = (torch.cat(parts) for parts in zip(*found, strict=True)) if found else [torch.empty(0).long()] * 2
        order = pair.argsort(stable=True)
        pair, row = pair[order], row[order]
        linear, quadratic = torch.zeros_like(pair, dtype=torch.float64), torch.zeros_like(pair, dtype=torch.float64)
        for x0, x1, center, rows in zip(self.x0.T, self.x1.T, self.center, self.kept.T, strict=True):
            difference = x1[pair] - (rows[row].double() - center)
            linear -= x0[pair] * difference
            quadratic -= 0.5 * difference.square()
        return pair, row, linear, quadratic

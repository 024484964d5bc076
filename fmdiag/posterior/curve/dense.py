"""While many rows carry weight: the posterior of b pairs over all rows, at several times, in one pass over the rows.

Stage one needs no row at all: the log-weights l_i(s) come from the two products, and with them every scalar summary.
Stage two reads the rows once and forms the posterior means of all pairs and times as one product per block. Ranks hold
different rows: their largest log-weights are merged first, then sums relative to these. Exponentials are taken to base
2, because torch's exp2 takes a third of the time of its exp on a CPU.
"""

import math
from dataclasses import dataclass, replace

import torch

from fmdiag.posterior.rounding import SUM_STEPS, UNIT
from fmdiag.posterior.state import FLOOR

LN2 = math.log(2)
ENTRIES_AT_ONCE = 8192     # pairs and times whose weights on a block of rows are formed together


@dataclass
class DenseStats:
    """Scalar summaries of b pairs at one s; float64, shape (b,), unless said otherwise; log-weights relative to x1."""

    s: float
    max: torch.Tensor
    weight: torch.Tensor            # sum of w_i = exp(l_i - max)
    weight_squared: torch.Tensor    # sum of w_i^2
    weighted_log: torch.Tensor      # sum of w_i (l_i - max)
    weighted_half_square: torch.Tensor   # sum of -w_i ||x1 - X_i||^2 / 2
    top_row: torch.Tensor
    block_share: torch.Tensor       # (b, blocks of this rank's rows): share of the mass per block

    def select(self, chosen):
        """Return the summaries of some of the pairs, `chosen` a mask or numbers."""
        return replace(self, **{name: value[chosen] for name, value in vars(self).items() if name != "s"})

    @property
    def sums(self):
        """The summaries as a dict, without the shares of blocks."""
        return {name: value for name, value in vars(self).items() if name not in ("s", "block_share")}

    def evaluation_error(self, dtype):
        """Return the bound on sum lambda_i |delta_i| from forming l_i(s) and its exponential in `dtype`, shape (b,).

        From s (linear + s quadratic), three roundings of each term: |s^2 quadratic| on average is known, and the other
        term is at most that and |l_i|; |l_i - max| on average is known too.
        """
        square = -self.s**2 * self.weighted_half_square / self.weight
        depth = self.max.abs() - self.weighted_log / self.weight
        return UNIT[dtype] * (8 * square + 8 * depth + 4 + 2 * SUM_STEPS)

    @property
    def ess(self):
        """Effective sample size."""
        return self.weight.square() / self.weight_squared


def stats_at(products, queries, s, spans):
    """Return the DenseStats of the pairs `queries` (int64 tensor) at `s`, over the blocks of rows `spans`."""
    device, group = products.linear.device, products.group
    tops = [_slopes(*products.block(queries, span), s).amax(1).mul_(s) for span in spans]
    none = torch.full((len(queries),), -torch.inf, dtype=products.dtype, device=device)
    tops = torch.stack(tops or [none], 1)
    top = group.max(tops.amax(1))
    sums = torch.zeros(4, len(queries), dtype=torch.float64, device=device)
    share = torch.zeros(len(queries), len(spans), dtype=torch.float64, device=device)
    for k, span in enumerate(spans):
        linear, quadratic = products.block(queries, span)
        bits = _bits(linear, quadratic, s, top)
        weights = torch.exp2(bits)
        share[:, k] = weights.sum(1)
        sums[1] += torch.linalg.vector_norm(weights, dim=1).double().square()
        sums[2] += LN2 * bits.mul_(weights).sum(1)
        sums[3] += weights.mul_(quadratic).sum(1)
    sums[0] = share.sum(1)
    sums = group.sum(sums)
    return DenseStats(s, top.double(), sums[0], sums[1], sums[2], sums[3],
                      _top_rows(products, queries, s, tops, top, spans), share / sums[0][:, None])


def means(store, products, entries, mass):
    """Return the posterior means of dense entries by one pass over the rows, and the mass that each left out.

    Parameters
    ----------
    store : RowStore
        The rows.
    products : PairProducts
        Coefficients of the log-weights.
    entries : list of (queries, DenseStats)
        The pairs and times wanted.
    mass : float
        Blocks that together carry at most this share of an entry's mass, for every pair of it, are left out.

    Returns
    -------
    list of (Tensor float64 of shape (b, dim), Tensor of shape (b,))
    """
    device, group = products.linear.device, products.group
    sizes = [len(queries) for queries, _ in entries]
    total = torch.zeros(sum(sizes), store.dim, dtype=products.dtype, device=device)
    covered = torch.zeros(sum(sizes), dtype=torch.float64, device=device)
    starts = [0, *torch.tensor(sizes).cumsum(0).tolist()]
    skipped = [_skippable(stats.block_share, mass / group.size) for _, stats in entries]
    for k, (first, block) in enumerate(store.blocks()):
        wanted = [e for e in range(len(entries)) if not skipped[e][k]]
        if not wanted:
            continue
        rows = store.centred(block, products.center, products.dtype)
        span = slice(first, first + len(block))
        for run in _runs(wanted, max(1, ENTRIES_AT_ONCE // max(sizes))):
            weights = torch.cat([_weights(products, *entries[e], span) for e in run])
            place = slice(starts[run[0]], starts[run[-1] + 1])
            total[place].addmm_(weights, rows)
            covered[place] += weights.sum(1)
    left_out = [(stats.block_share * out).sum(1) for (_, stats), out in zip(entries, skipped, strict=True)]
    total, covered, left_out = group.sum(total), group.sum(covered), group.sum(torch.cat(left_out))
    mean = total.double().div_(covered[:, None]).add_(products.center)
    return list(zip(mean.split(sizes), left_out.split(sizes), strict=True))


def _weights(products, queries, stats, span):
    """Return normalised weights of one entry on a block, shape (b, m)."""
    total = (stats.max + stats.weight.log()).to(products.dtype)
    return _bits(*products.block(queries, span), stats.s, total).exp2_()


def _slopes(linear, quadratic, s):
    """Return l_i(s) / s, shape (b, m)."""
    return torch.add(linear, quadratic, alpha=s)


def _bits(linear, quadratic, s, top):
    """Return (l_i(s) - top) / ln 2, at least -FLOOR / ln 2, shape (b, m)."""
    slopes = _slopes(linear, quadratic, s)
    return torch.add(-top[:, None] / LN2, slopes, alpha=s / LN2, out=slopes).clamp_(min=-FLOOR / LN2)


def _top_rows(products, queries, s, tops, top, spans):
    """Return each pair's row of largest weight: the first in the first block that reaches `top`, on the lowest rank."""
    if s == 0:
        return torch.zeros_like(queries)
    best, reached = tops.argmax(1), tops.amax(1) == top
    top_row = torch.full_like(queries, torch.iinfo(torch.int64).max)
    for k in best[reached].unique().tolist():
        here = torch.nonzero((best == k) & reached).reshape(-1)
        slopes = _slopes(*products.block(queries[here], spans[k]), s)
        top_row[here] = slopes.argmax(1) + spans[k].start + products.first
    return products.group.min(top_row)


def _skippable(block_share, mass):
    """Return, per block, whether it may be left out: the lightest blocks while no pair loses more than `mass`."""
    worst = block_share.amax(0)
    order = worst.argsort()
    out = torch.zeros(len(worst), dtype=torch.bool, device=worst.device)
    out[order[worst[order].cumsum(0) <= mass]] = True
    return out


def _runs(numbers, longest):
    """Split ascending numbers into runs of consecutive ones, at most `longest` each."""
    runs = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1 and len(runs[-1]) < longest:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs

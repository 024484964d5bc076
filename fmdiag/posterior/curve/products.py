"""Products of pairs (x0, x1) with all rows: two of them serve every time.

On a Gaussian path x_t = alpha x1 + sigma x0 with s = alpha / sigma, the log-weight of row X_i relative to that of the
pair's own row x1 is a parabola in s,

    l_i(s) = -s a_i - s^2 b_i / 2,    a_i = <x0, x1 - X_i>,    b_i = ||x1 - X_i||^2,

so X0 X^T and X1 X^T answer all times at once (from ||x_t - alpha X_i||^2 by expansion around x1). It starts at 0 and,
once negative, falls for ever: a row that has left the posterior never comes back.
"""

import torch

from fmdiag.posterior.rounding import UNIT, ProbedErrors
from fmdiag.posterior.rows import product_dtype

COMPARED_BYTES = 1 << 25   # of log-weights at a time


class PairProducts:
    """The coefficients -a_i and -b_i / 2 of every pair and row.

    Parameters
    ----------
    x0, x1 : Tensor, shape (b, dim)
        Noise and data of the pairs; x1 are rows of the training set.
    rows : Tensor of int64, shape (b,)
        Which rows; numbers outside [0, m) are another rank's.
    store : RowStore
        This rank's m rows.

    Attributes
    ----------
    linear, quadratic : Tensor, shape (b, m)
        -a_i and -b_i / 2, so that l_i = s (linear + s quadratic); float64 up to 64 dimensions, else float32.
    center : Tensor, float64, shape (dim,)
        A mean of some rows: distances do not change when it is subtracted, rounding does.
    """

    def __init__(self, x0, x1, rows, store):
        dtype = product_dtype(x0.shape[1])
        self.dtype, self.center, self.reach, self.group = dtype, store.center(), 0.0, store.group
        self.first = store.first
        self.linear = torch.empty(len(x0), store.size, dtype=dtype, device=x0.device)
        self.quadratic = torch.empty_like(self.linear)
        self.noise_norm = x0.double().norm(dim=1).max().item()
        probes = (ProbedErrors(x0.double(), x1.double() - self.center, store.probes) if dtype == torch.float32
                  else None)
        store.probes.begin()
        for first, block in store.blocks():
            span = self._add(x0, x1, first, store.centred(block, self.center, dtype))
            if probes is not None:
                probes.add(store.probes.add(first, block, self.center), self.linear[:, span], self.quadratic[:, span])
        store.probes.complete = True
        own = torch.nonzero((rows >= 0) & (rows < store.size)).reshape(-1)
        self.linear[own, rows[own]], self.quadratic[own, rows[own]] = 0.0, 0.0
        # One for all ranks: it decides what they do next.
        self.reach = self.group.max(torch.tensor([self.reach], dtype=torch.float64, device=x0.device)).item()
        self.errors = self._worst(x0) if probes is None else probes.norms(self.group)
        self.probed = probes is not None

    def _worst(self, x0):
        """Return bounds on the error of every coefficient in float64, shape (2, b); reach is at least sqrt(2) ||X||."""
        scale = 2 * (x0.shape[1] + 8) * UNIT[torch.float64] * self.reach
        return torch.stack([scale * x0.double().norm(dim=1), torch.full_like(x0[:, 0], scale * self.reach).double()])

    def _add(self, x0, x1, first, block):
        noise, target, norms = x0.double(), x1.double() - self.center, block.square().sum(1).double()
        span = slice(first, first + len(norms))
        # linear = <x0, X_i> - <x0, x1>; quadratic = <x1, X_i> - (||x1||^2 + ||X_i||^2) / 2, all centred.
        of_noise, of_target = (torch.cat([noise, target]).to(block.dtype) @ block.T).split(len(noise))
        torch.sub(of_noise, (noise * target).sum(1, keepdim=True).to(self.dtype), out=self.linear[:, span])
        half_squares = (0.5 * (target.square().sum(1, keepdim=True) + norms)).to(self.dtype)
        torch.sub(of_target, half_squares, out=self.quadratic[:, span])
        self.reach = max(self.reach, (2 * norms.max()).sqrt().item())
        return span

    def block(self, queries, span):
        """Return (linear, quadratic) of some pairs on a span of rows; views where `queries` are all pairs."""
        if len(queries) == len(self.linear):
            return self.linear[:, span], self.quadratic[:, span]
        return self.linear[:, span].index_select(0, queries), self.quadratic[:, span].index_select(0, queries)

    def alive(self, queries, s, cutoff):
        """Return how many rows of each of some pairs, all ranks' together, have l_i(s) > -cutoff."""
        counts = [above.sum(1) for _, above in self.above(queries, s, cutoff)]
        return self.group.sum(torch.cat(counts) if counts else torch.zeros_like(queries))

    def above(self, queries, s, cutoff):
        """Yield (some of the pairs, whether l_i(s) > -cutoff for each row), few pairs at a time: n may be large."""
        at_once = max(1, COMPARED_BYTES // (self.linear.element_size() * max(1, self.linear.shape[1])))
        for part in queries.split(at_once) if len(queries) else ():
            yield part, torch.add(self.linear[part], self.quadratic[part], alpha=s).mul_(s) > -cutoff

    def error(self, queries, s, ess):
        """Return (sum lambda_i |delta_i|, max |delta_i|), bounds on the rounding of coefficients at `s`, shape (b,).

        `ess`, shape (b,), is 1 / sum lambda_i^2 of the pairs `queries`; see `fmdiag.posterior.rounding`.
        """
        largest = s * self.errors[0, queries] + s**2 * self.errors[1, queries]
        return (largest / ess.clamp(min=1).sqrt() if self.probed else largest), largest

    def rounding(self, s):
        """Return the typical rounding error of a log-weight at `s`.

        A product of length d whose terms have size |x| |y| / d is off by about eps |x| |y| / sqrt(d).
        """
        scale = s * self.noise_norm * self.reach + (s * self.reach) ** 2
        return 2 * torch.finfo(self.dtype).eps * scale / len(self.center) ** 0.5

"""Weighted sums of rows, block by block, for posterior means: in the dtype of products, or mostly in bfloat16.

A bfloat16 product takes less than half of a float32 one on processors that have it, and rounds rows and weights to 8
bits. These errors are independent between rows, so that their sum is about 2^-9 |X| (sum of squared weights)^(1/2):
small where no weight is large. So rows are summed in float32 where their weight is more than HEAVY / n, which few rows
are, and the others in bfloat16. What that moved is measured by random projections, as in `fmdiag.posterior.rounding`:
for a query's error e and h ~ N(0, I), e h ~ N(0, |e|^2), and the exact sum times h needs rows times h alone.
"""

import torch
import torch.nn.functional as F

from fmdiag.posterior.rounding import N_PROBES, SAFETY

HEAVY = 16.0            # times 1 / n: at most n / 16 rows are heavy
COARSE_ROWS = 1 << 19   # from here on the error is below that of float32 sums in thousands of dimensions


def coarse_pays(n, dtype, device):
    """Return whether sums over n rows are made in bfloat16: only where products in it are faster than in float32."""
    fast = device.type == "cuda" or getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
    return n >= COARSE_ROWS and dtype == torch.float32 and bool(fast)


class Sums:
    """Weighted sums of centred rows, one per query, in the dtype of products.

    Parameters
    ----------
    n : int
        Number of queries.
    store : RowStore
        The rows.
    dtype, device : torch.dtype and torch.device
        Of the sums.
    """

    def __init__(self, n, store, dtype, device):
        self.total = torch.zeros(n, store.dim, dtype=dtype, device=device)
        self.covered = torch.zeros(n, dtype=torch.float64, device=device)   # sum of the weights

    def take(self, rows):
        """Take a block of centred rows, shape (m, dim), for `add`."""
        self.rows = rows

    def add(self, place, weights):
        """Add the block's rows with weights, shape (queries of the slice `place`, m)."""
        self.covered[place] += weights.sum(1)
        self.total[place].addmm_(weights, self.rows)

    def means(self, group):
        """Return the means over all ranks' rows, float64, and the error of coarse sums, which is 0."""
        self.covered = group.sum(self.covered)
        return group.sum(self.total).double().div_(self.covered[:, None]), torch.zeros_like(self.covered)


class CoarseSums(Sums):
    """Weighted sums whose light rows are rounded to bfloat16; parameters as those of `Sums`."""

    def __init__(self, n, store, dtype, device):
        super().__init__(n, store, dtype, device)
        self.heavy = HEAVY / store.n
        self.h = torch.randn(store.dim, N_PROBES, generator=torch.Generator().manual_seed(0)).to(device)
        self.probed = torch.zeros(n, N_PROBES, dtype=torch.float64, device=device)

    def take(self, rows):
        """Take a block of centred rows, shape (m, dim), for `add`."""
        self.rows, self.rounded, self.projected = rows, rows.bfloat16(), rows @ self.h

    def add(self, place, weights):
        """Add the block's rows with weights, shape (queries of the slice `place`, m)."""
        self.covered[place] += weights.sum(1)
        self.probed[place] += weights @ self.projected
        heavy = weights > self.heavy
        counts = heavy.sum(1)
        if bool(counts.any()):
            numbers, chosen = torch.nonzero(heavy, as_tuple=True)[1], weights[heavy]
            self.total[place] += F.embedding_bag(numbers, self.rows, counts.cumsum(0) - counts, mode="sum",
                                                 per_sample_weights=chosen)
            weights = weights.masked_fill(heavy, 0)
        self.total[place] += weights.bfloat16() @ self.rounded

    def means(self, group):
        """Return the means over all ranks' rows, float64, and the bound on their Euclidean error, shape (n,)."""
        found = group.sum(self.total.double() @ self.h.double() - self.probed)
        mean, _ = super().means(group)
        return mean, SAFETY * found.square().mean(1).sqrt() / self.covered

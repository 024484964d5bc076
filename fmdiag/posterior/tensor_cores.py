"""How do tensor cores give products of 8-bit images that are exact to float32?

An 8-bit value less 128 is a bfloat16 number, and a float32 number is the sum of three:

    q = q1 + q2 + q3,   <q, X> = (<q1, u> + <q2, u> + <q3, u>) / divisor + c <q, 1>,   X = u / divisor + c,

each product exact in the float32 in which ``torch.mm(..., out_dtype=torch.float32)`` adds up. Three such products take
less time than one in float32 where tensor cores exist; elsewhere, or where a trial finds them slower or less exact,
float32 is used.
"""

import functools
import time

import torch

TERMS = 3
OFFSET = 128        # 8-bit values less this are small, so that sums of their products round little
TRIAL = (256, 4096, 3072)
MOST_ERROR = 2.0**-20   # of the product of norms, in a trial against float64


class FloatRows:
    """A block of rows less `center`, in the type of the products.

    Parameters
    ----------
    block : Tensor, float32, shape (m, dim)
        Rows in model range.
    center : Tensor, float64, shape (dim,)
        Point to measure from.
    dtype : torch.dtype
        float32 or float64.
    """

    def __init__(self, block, center, dtype):
        # In float64 the difference is taken exactly; in float32 the rows' own rounding is as large.
        self.rows = block.double() - center if dtype == torch.float64 else block - center.float()

    def dot(self, queries):
        """Return <query, row> of queries (float64, shape (b, dim)); shape (b, m)."""
        return queries.to(self.rows.dtype) @ self.rows.T

    def norms(self):
        """Return squared norms, float64, shape (m,)."""
        return self.rows.square().sum(1).double()

    def add_weighted(self, total, weights):
        """Add weights @ rows to `total`, in place; shapes (b, m) and (b, dim)."""
        total.addmm_(weights, self.rows)


class SplitRows:
    """A block of 8-bit rows less `center`, multiplied in bfloat16 and added up in float32.

    Parameters
    ----------
    block : Tensor, float32, shape (m, dim)
        Rows in model range, each value (an integer from 0 to 255) / divisor + shift.
    divisor, shift : float
        The map to model range; the center is that of the value 128, see `split_center`.
    """

    def __init__(self, block, divisor, shift):
        self.divisor = divisor
        self.rows = ((block - shift) * divisor).round_().sub_(OFFSET).to(torch.bfloat16)

    def dot(self, queries):
        """Return <query, row> of queries (float64, shape (b, dim)); float32, shape (b, m)."""
        return _sum_of_products(queries.float(), self.rows.T).div_(self.divisor)

    def norms(self):
        """Return squared norms, float64, shape (m,)."""
        return self.rows.float().square().sum(1).double() / self.divisor**2

    def add_weighted(self, total, weights):
        """Add weights @ rows to `total`, in place; shapes (b, m) and (b, dim)."""
        total.add_(_sum_of_products(weights, self.rows), alpha=1 / self.divisor)


def split_center(training_set):
    """Return the point from which `SplitRows` measures, float64, shape (dim,)."""
    return torch.full((training_set.dim,), OFFSET / training_set.divisor + training_set.shift, dtype=torch.float64)


def bfloat16_terms(x, n_terms=TERMS):
    """Split float32 numbers into bfloat16 ones: 8 bits each, so that three hold all 24; a list of tensors like x."""
    terms = []
    for _ in range(n_terms):
        terms.append(x.to(torch.bfloat16))
        x = x - terms[-1].float()
    return terms


def _sum_of_products(left, right):
    """Return left @ right in float32, `right` bfloat16: smallest terms first."""
    total = None
    for term in reversed(bfloat16_terms(left)):
        product = _mm(term, right)
        total = product if total is None else total.add_(product)
    return total


def _mm(left, right):
    if left.device.type == "cpu":   # has no such product; the same numbers in float32 give the same sums but for order
        return left.float() @ right.float()
    return torch.mm(left, right, out_dtype=torch.float32)


def serves(training_set, device):
    """Return whether `SplitRows` is to be used: 8-bit rows, on a device where a trial finds it faster and exact."""
    return training_set.rows.dtype.name == "uint8" and device.type == "cuda" and trial(str(device))


@functools.cache
def trial(device):
    """Return whether split products are faster than float32 on a device, and as exact; False where it has none."""
    b, m, dim = TRIAL
    g = torch.Generator().manual_seed(0)
    queries = torch.randn(b, dim, generator=g, dtype=torch.float64).to(device)
    values = torch.randint(0, 256, (m, dim), generator=g).float().to(device)
    split = SplitRows(values, 1.0, 0.0)
    plain = FloatRows(values - OFFSET, torch.zeros(dim, device=device), torch.float32)
    try:
        if relative_error(split, queries) > MOST_ERROR:
            return False
        return _seconds(split, queries) < _seconds(plain, queries)
    except (RuntimeError, NotImplementedError, TypeError):   # no such product in this torch, or on this device
        return False


def relative_error(block, queries):
    """Return the largest error of products with a block of rows against float64, in units of the norms' product."""
    rows = block.rows.double() / getattr(block, "divisor", 1.0)
    scale = queries.norm(dim=1)[:, None] * rows.norm(dim=1)
    return ((block.dot(queries).double() - queries.float().double() @ rows.T).abs() / scale).max().item()


def _seconds(block, queries, repeats=5):
    taken = []
    for _ in range(repeats):
        torch.cuda.synchronize(queries.device)
        start = time.perf_counter()
        block.dot(queries)
        torch.cuda.synchronize(queries.device)
        taken.append(time.perf_counter() - start)
    return min(taken)

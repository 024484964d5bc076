"""Candidates for the nearest rows, and how wrong their computed distances can be.

    d² = ||q||² + ||x||² - 2 <q, x>,   by FAISS on the CPU where it is installed, else by torch (any device)

For coordinates centred at c, unit roundoff u and S = ||q - c|| + max ||x - c||, any order of summation gives d²
within gamma S², gamma = m u / (1 - m u), m = d + 16 (16 covers the centring and the final sums).

References
----------
Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1.
"""

from contextlib import contextmanager

import numpy as np
import torch

try:  # after torch: the other order crashes on some platforms (two OpenMP runtimes)
    import faiss
    WITHOUT = ""
except ImportError as error:   # FAISS of NumPy 2 beside NumPy 1 is there and fails, too
    faiss, WITHOUT = None, str(error)

PRODUCT_ENTRIES = 1 << 24
# Unit roundoff of torch's float32 products under each `torch.get_float32_matmul_precision()`.
MATMUL_ROUNDOFF = {"highest": 2.0**-24, "high": 2.0**-11, "medium": 2.0**-8}


def roundoff(tensor):
    """Return the unit roundoff of the products that `knn` makes for queries of this dtype and device."""
    if tensor.dtype == torch.float64:
        return 2.0**-53
    return 2.0**-24 if _uses_faiss(tensor) else MATMUL_ROUNDOFF[torch.get_float32_matmul_precision()]


def error_bound(spread, dim, roundoff):
    """Return the bound on the error of computed d², shape (q,), float64; inf where the bound says nothing."""
    steps = (dim + 16) * roundoff
    if steps >= 1:
        return np.full(spread.shape, np.inf)
    # The last term: products that underflow, or are flushed to zero.
    with np.errstate(over="ignore"):
        square = spread**2
    return steps / (1 - steps) * square + 8 * dim * np.finfo(np.float32).tiny


def _uses_faiss(tensor):
    return faiss is not None and tensor.dtype == torch.float32 and tensor.device.type == "cpu"


def knn(queries, block, count):
    """Return (d2, index), ndarrays, shape (q, count): the rows of `block` of least computed d², for each query."""
    if _uses_faiss(queries):
        with faiss_threads():
            return faiss.knn(queries.numpy(), block.numpy(), count)
    parts = []
    norms = block.square().sum(1)
    for part in queries.split(max(1, PRODUCT_ENTRIES // len(block))):
        d2 = torch.addmm(norms, part, block.T, alpha=-2).add_(part.square().sum(1, keepdim=True))
        parts.append(d2.topk(count, dim=1, largest=False))
    return tuple(torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))


@contextmanager
def faiss_threads():
    """Let FAISS use as many threads as torch: it has a pool of its own."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(torch.get_num_threads())
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)

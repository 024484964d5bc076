"""Which training rows are nearest to a sample, and how far away exactly?

Candidates come from a float32 search in the expanded form ||q||² + ||x||² - 2<q, x>, whose rounding spoils the small
distances of near-copies (1e-3 in d² at d = 3072). Hence three steps per query: fetch more candidates than asked for;
recompute their distances as sum (q - x)² in float64; and prove by a bound on the rounding error that no row left out
could have won. Where the proof fails the query is searched again in float64 with more candidates, at last with all.

The bound, for coordinates centred at c, unit roundoff u and S = ||q - c|| + max ||x - c||: any order of summation
computes d² within γ S², γ = m u / (1 - m u), m = d + 16 (Higham 2002, Accuracy and Stability of Numerical Algorithms,
section 3.1; 16 covers the centring and the final sums).
"""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.errors import FmdiagError

try:  # after torch: the other order crashes on some platforms (two OpenMP runtimes)
    import faiss
except ImportError:
    faiss = None

OVER_FETCH = 14
BLOCK_BYTES = 1 << 27
SCORE_BYTES = 1 << 25
CANDIDATES = 1 << 23
PRODUCT_ENTRIES = 1 << 24
# Unit roundoff of torch's float32 products under each `torch.get_float32_matmul_precision()`.
MATMUL_ROUNDOFF = {"highest": 2.0**-24, "high": 2.0**-11, "medium": 2.0**-8}


@dataclass(frozen=True)
class Neighbors:
    """The nearest training rows of each query, nearest first.

    Parameters
    ----------
    rows : ndarray of int64, shape (q, k)
        Row numbers of the training set, flips counted; of equally near rows the lowest number comes first.
    distances : ndarray of float64, shape (q, k)
        Euclidean distances in model range (or in the feature space).
    """

    rows: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class DistinctNeighbors:
    """The nearest training row of each query, and the nearest row with another content.

    Parameters
    ----------
    rows1, rows2 : ndarray of int64, shape (q,)
        Row numbers; of duplicates the lowest. `rows2` is -1 where the training set has one distinct row only.
    d1, d2 : ndarray of float64, shape (q,)
        Their Euclidean distances; `d2` is inf where the training set has one distinct row only.
    """

    rows1: np.ndarray
    d1: np.ndarray
    rows2: np.ndarray
    d2: np.ndarray

    @property
    def ratio(self):
        """d1 / d2, shape (q,); 0 where d1 is 0, NaN where there is no second row and d1 is not 0."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(np.isinf(self.d2), np.nan, self.d1 / self.d2)
        return np.where(self.d1 == 0, 0.0, ratio)


def nearest(queries, training_set, *, n_neighbors=1, feature=None, exclude=None, device=None):
    """Return the exactly nearest training rows.

    Parameters
    ----------
    queries : Tensor or ndarray, shape (q, *shape)
        Points in model range.
    training_set : TrainingSet
        Read in blocks; it need not fit into memory.
    n_neighbors : int
        Number of rows wanted per query, at most the number of rows.
    feature : callable, optional
        Images, float32, shape (b, *shape), to vectors, shape (b, k); without it, pixels.
    exclude : ndarray of int, shape (q,), optional
        A row number per query that does not count, e.g. the query's own; -1 for none.
    device : str or torch.device, optional
        Where candidates are searched; default the queries' device. On the CPU FAISS does it where it is installed.

    Returns
    -------
    Neighbors

    Raises
    ------
    FmdiagError
        If shapes differ, a value is not finite, or there are fewer rows than neighbours.
    """
    feature = _beyond_pixels(feature)
    vectors = _vectors(queries, training_set, feature)
    exclude = np.full(len(vectors), -1) if exclude is None else np.asarray(exclude)
    available = training_set.n - bool((exclude >= 0).any())
    if not 1 <= n_neighbors <= available:
        raise FmdiagError(f"n_neighbors must be in [1, {available}], the rows of {training_set.name} that count, "
                          f"got {n_neighbors}")
    rows = np.arange(training_set.n)
    space = training_set if feature is None else _embed(training_set, feature, rows)
    return _Search(space, rows, _device(queries, device))(vectors, n_neighbors, exclude)


def nearest_distinct(queries, training_set, *, feature=None, device=None):
    """Return the nearest training row and the nearest one that is not a duplicate of it.

    Duplicates (equal content, mirror images included) count as one row, the one with the lowest number: otherwise
    d1 = d2 for a copy of a repeated row, and the copy would hide. Parameters as in `nearest`.

    Returns
    -------
    DistinctNeighbors
        With ``d2 = inf``, ``rows2 = -1`` where the training set has one distinct row only.
    """
    feature = _beyond_pixels(feature)
    vectors = _vectors(queries, training_set, feature)
    rows = _distinct_rows(training_set)
    space = training_set if feature is None else _embed(training_set, feature, rows)
    searched = rows if feature is None else _distinct_rows(space)
    numbers = rows if feature is None else rows[searched]
    search = _Search(space, searched, _device(queries, device))
    found = search(vectors, min(2, len(searched)), np.full(len(vectors), -1))
    named = numbers[np.searchsorted(searched, found.rows)]
    if len(searched) > 1:
        return DistinctNeighbors(named[:, 0], found.distances[:, 0], named[:, 1], found.distances[:, 1])
    alone = np.full(len(vectors), -1), np.full(len(vectors), np.inf)
    return DistinctNeighbors(named[:, 0], found.distances[:, 0], *alone)


def _distinct_rows(training_set):
    """Return the row numbers, ascending, that are the first of their content."""
    return np.flatnonzero(np.asarray(duplicate_groups(training_set)) == np.arange(training_set.n))


def _beyond_pixels(feature):
    """Return None for the feature that is the image itself: its vectors are the rows, and need not be kept."""
    return None if getattr(feature, "identity", False) else feature


def _vectors(queries, training_set, feature):
    """Return the queries in the space that is searched: ndarray, shape (q, d), float32 or float64, checked."""
    if not isinstance(queries, torch.Tensor):
        queries = torch.from_numpy(np.require(queries, requirements="W"))
    queries = queries.detach()
    if queries.ndim != 1 + len(training_set.shape) or tuple(queries.shape[1:]) != training_set.shape:
        raise FmdiagError(f"queries must have shape (q, {', '.join(map(str, training_set.shape))}) like the rows of "
                          f"{training_set.name}, got {tuple(queries.shape)}")
    if feature is not None:
        queries = feature(queries.float())
    vectors = queries.reshape(len(queries), -1).cpu().numpy()
    vectors = vectors if vectors.dtype == np.float64 else vectors.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        raise FmdiagError(f"query {bad[0]} holds NaN or infinite values ({bad.size} of {len(vectors)} do)")
    return vectors


def _embed(training_set, feature, rows, *, batch=256):
    """Return the features of some rows as a training set of vectors in memory."""
    parts = [feature(training_set[rows[start : start + batch]]).cpu() for start in range(0, len(rows), batch)]
    return TrainingSet(torch.cat(parts).flatten(1).numpy(), name=f"{training_set.name} ({feature.name})")


def _device(queries, device):
    return torch.device(device if device is not None else getattr(queries, "device", "cpu"))


class _Search:
    """Exact search among some rows of a training set.

    Parameters
    ----------
    training_set : TrainingSet
        Streamed once per pass.
    rows : ndarray of int64, shape (m,)
        The row numbers that count, ascending.
    device : torch.device
        Where candidates are searched.
    """

    def __init__(self, training_set, rows, device):
        self.training_set, self.rows, self.device = training_set, rows, device
        self.block_size = max(1, BLOCK_BYTES // (4 * training_set.dim))
        first = training_set[slice(0, min(training_set.n, 1024))].reshape(-1, training_set.dim)
        # Any centre is right, one amid the rows makes the bound small; rows that are not finite are named later.
        self.center = first.double().mean(0).float().nan_to_num(0.0, 0.0, 0.0)

    def __call__(self, queries, k, exclude):
        """Return the k nearest rows of every query, shape (q, d): passes with ever more candidates until proven."""
        found = Neighbors(np.full((len(queries), k), -1), np.full((len(queries), k), np.inf))
        pending, count, dtype = np.arange(len(queries)), k + OVER_FETCH, torch.float32
        while pending.size:
            count = min(count, len(self.rows))
            per_pass = max(1, CANDIDATES // count)
            unproven = [part[~self._pass(queries, part, k, exclude, count, dtype, found)]
                        for part in np.split(pending, range(per_pass, len(pending), per_pass))]
            pending, count, dtype = np.concatenate(unproven), 4 * count, torch.float64
        return found

    def _pass(self, queries, part, k, exclude, count, dtype, found):
        """Search the queries numbered `part`, write what was found, and return where it is proven, bool, shape (p,)."""
        rows, d2, error = self._candidates(queries[part], count, dtype)
        with np.errstate(invalid="ignore"):  # inf - inf where float32 overflowed: not proven
            unfetched = d2[:, -1] - error if count < len(self.rows) else np.full(len(part), np.inf)
        d2[(rows == exclude[part, None]) | (rows < 0)] = np.inf
        # Rows whose computed d² exceeds the k-th by twice the error bound cannot be among the k nearest.
        possible = ~(d2 > (np.partition(d2, k - 1, axis=1)[:, k - 1] + 2 * error)[:, None]) & np.isfinite(d2)
        rows, d2 = self._rescore(queries[part], rows, possible)
        found.rows[part], found.distances[part] = rows[:, :k], np.sqrt(d2[:, :k])
        slack = 1 + 2 * (queries.shape[1] + 4) * 2.0**-53
        return d2[:, k - 1] * slack < unfetched

    def _candidates(self, queries, count, dtype):
        """Return (rows, d2, error): the `count` rows of least computed d², ascending, and the bound on their error.

        Rows are int64 and d2 float64, shape (p, count), -1 and inf where fewer were found; error has shape (p,).
        """
        centred = (torch.from_numpy(queries).double() - self.center.double()).to(self.device, dtype)
        rows, d2 = np.full((len(queries), count), -1), np.full((len(queries), count), np.inf)
        largest = 0.0
        for numbers, block in self._blocks(dtype):
            norms = torch.linalg.vector_norm(block, dim=1, dtype=torch.float64)
            bad = numbers[~torch.isfinite(norms).cpu().numpy()]
            if bad.size:
                raise FmdiagError(f"{self.training_set.name}: row {bad[0]} holds NaN or infinite values: leave it out")
            largest = max(largest, norms.max().item())
            near, index = _knn(centred, block, min(count, len(block)))
            rows = np.concatenate([rows, np.where(index < 0, -1, numbers[index])], axis=1)
            d2 = np.concatenate([d2, near], axis=1)
            order = np.argsort(d2, axis=1, kind="stable")[:, :count]
            rows, d2 = np.take_along_axis(rows, order, 1), np.take_along_axis(d2, order, 1)
        spread = torch.linalg.vector_norm(centred, dim=1, dtype=torch.float64).cpu().numpy() + largest
        return rows, d2, _error_bound(spread, queries.shape[1], _roundoff(centred))

    def _blocks(self, dtype):
        """Yield (numbers, block): row numbers, shape (m,), and these rows centred, shape (m, d)."""
        center = self.center.to(self.device, dtype)
        for start, block in self.training_set.blocks(self.block_size, device=self.device):
            low, high = np.searchsorted(self.rows, [start, start + len(block)])
            numbers = self.rows[low:high]
            if numbers.size:
                kept = block if numbers.size == len(block) else block[torch.from_numpy(numbers - start)]
                yield numbers, kept.to(dtype) - center

    def _rescore(self, queries, rows, possible):
        """Return (rows, d2) in order of (d², row number): d² = sum (q - x)² in float64, inf where not `possible`."""
        d2 = np.full(rows.shape, np.inf)
        which, column = np.nonzero(possible)
        size = max(1, SCORE_BYTES // (8 * queries.shape[1]))
        for start in range(0, len(which), size):
            query, candidate = which[start : start + size], column[start : start + size]
            x = self.training_set[rows[query, candidate]].reshape(len(query), -1).numpy()
            difference = queries[query].astype(np.float64) - x
            d2[query, candidate] = np.einsum("ij,ij->i", difference, difference)
        order = np.lexsort((rows, d2), axis=1)
        return np.take_along_axis(rows, order, 1), np.take_along_axis(d2, order, 1)


def _roundoff(tensor):
    if tensor.dtype == torch.float64:
        return 2.0**-53
    return 2.0**-24 if _uses_faiss(tensor) else MATMUL_ROUNDOFF[torch.get_float32_matmul_precision()]


def _error_bound(spread, dim, roundoff):
    """Return the bound on the error of computed d², shape (q,), float64; inf where the bound says nothing."""
    steps = (dim + 16) * roundoff
    if steps >= 1:
        return np.full(spread.shape, np.inf)
    # The last term: products that underflow, or are flushed to zero.
    return steps / (1 - steps) * spread**2 + 8 * dim * np.finfo(np.float32).tiny


def _uses_faiss(tensor):
    return faiss is not None and tensor.dtype == torch.float32 and tensor.device.type == "cpu"


def _knn(queries, block, count):
    """Return (d2, index), ndarrays, shape (q, count): the rows of `block` of least computed d², for each query."""
    if _uses_faiss(queries):
        with _faiss_threads(torch.get_num_threads()):
            return faiss.knn(queries.numpy(), block.numpy(), count)
    parts = []
    norms = block.square().sum(1)
    for part in queries.split(max(1, PRODUCT_ENTRIES // len(block))):
        d2 = torch.addmm(norms, part, block.T, alpha=-2).add_(part.square().sum(1, keepdim=True))
        parts.append(d2.topk(count, dim=1, largest=False))
    return tuple(torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))


@contextmanager
def _faiss_threads(n):
    """Let FAISS use as many threads as torch: it has a pool of its own."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(n)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)

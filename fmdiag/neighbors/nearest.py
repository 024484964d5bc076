"""Which training rows are nearest to a sample, and how far away exactly?

Distances are Euclidean, sqrt(sum (q - x)²), summed in float64 by differences: the expanded forms of FAISS and torch are
off by 1e-3 in d² at d = 3072, enough to spoil the ratios of near-copies. See `fmdiag.neighbors.search` for the search.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.errors import FmdiagError
from fmdiag.neighbors.search import Search


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

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits")
    >>> fmdiag.nearest(train[[7, 0]] + 0.01, train).rows.ravel().tolist()
    [7, 0]
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
    return Neighbors(*Search(space, rows, _device(queries, device))(vectors, n_neighbors, exclude))


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
    search = Search(space, searched, _device(queries, device))
    found, distances = search(vectors, min(2, len(searched)), np.full(len(vectors), -1))
    named = numbers[np.searchsorted(searched, found)]
    if len(searched) > 1:
        return DistinctNeighbors(named[:, 0], distances[:, 0], named[:, 1], distances[:, 1])
    return DistinctNeighbors(named[:, 0], distances[:, 0], np.full(len(vectors), -1), np.full(len(vectors), np.inf))


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

"""Nearest training rows of samples, with their exact distances.

Distances are Euclidean, sqrt(sum (q - x)²), summed in float64 by differences: the expanded forms of FAISS and torch are
off by 1e-3 in d² at d = 3072, enough to spoil the ratios of near-copies. See `fmdiag.neighbors.search` for the search.
"""

import numbers
from dataclasses import dataclass, replace

import numpy as np
import torch

from fmdiag.datasets import as_training_set
from fmdiag.errors import FmdiagError
from fmdiag.features import as_features
from fmdiag.neighbors.approximate import recalled
from fmdiag.neighbors.distinct import distinct_rows, first_two
from fmdiag.neighbors.plan import EXACT
from fmdiag.neighbors.space import search_space, vectors_of


@dataclass(frozen=True)
class Neighbors:
    """The nearest training rows of each query, nearest first.

    Parameters
    ----------
    rows : ndarray of int64, shape (q, k)
        Row numbers of the training set, flips counted; of equally near rows the lowest number comes first.
    distances : ndarray of float64, shape (q, k)
        Euclidean distances in model range (or in the feature space).
    recalled : ndarray of float64, shape (q,), optional
        Of a search by an index: 1 where the query was checked and all rows are the nearest, 0 where not, NaN unchecked.
    """

    rows: np.ndarray
    distances: np.ndarray
    recalled: np.ndarray | None = None


@dataclass(frozen=True)
class DistinctNeighbors:
    """The nearest training row of each query, and the nearest row with another content.

    Parameters
    ----------
    rows1, rows2 : ndarray of int64, shape (q,)
        Row numbers; of duplicates the lowest. `rows2` is -1 where the training set has one distinct row only.
    d1, d2 : ndarray of float64, shape (q,)
        Their Euclidean distances; `d2` is inf where the training set has one distinct row only.
    recalled : ndarray of float64, shape (q,), optional
        As in `Neighbors`.
    near : ndarray of float64, shape (q, n_near), optional
        Distances of the nearest distinct rows, ascending; inf where there are fewer.
    """

    rows1: np.ndarray
    d1: np.ndarray
    rows2: np.ndarray
    d2: np.ndarray
    recalled: np.ndarray | None = None
    near: np.ndarray | None = None

    @property
    def ratio(self):
        """d1 / d2, shape (q,); 0 where d1 is 0, NaN where there is no second row and d1 is not 0."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(np.isinf(self.d2), np.nan, self.d1 / self.d2)
        return np.where(self.d1 == 0, 0.0, ratio)


def nearest(queries, training_set, *, n_neighbors=1, feature=None, exclude=None, rows=None, device=None, plan=EXACT):
    """Return the nearest training rows, exactly unless the plan says otherwise.

    Parameters
    ----------
    queries : Tensor or ndarray, shape (q, *shape)
        Points in model range.
    training_set : TrainingSet, array, torch Dataset, name or path
        Read in blocks; it need not fit into memory.
    n_neighbors : int
        Number of rows wanted per query, at most the number of rows.
    feature : str, Feature or callable, optional
        Name of a feature space, or images, float32, shape (b, *shape), to vectors, shape (b, k); without it, pixels.
    exclude : ndarray of int, shape (q,), optional
        A row number per query that does not count, e.g. the query's own; -1 for none.
    rows : ndarray of int64, optional
        Numbers, ascending, of the rows that count for every query; default all.
    device : str or torch.device, optional
        Where candidates are searched; default the queries' device. On the CPU FAISS does it where it is installed.
    plan : SearchPlan, optional
        Index, memory and cache of features; default exact, in pieces made for 1 GiB.

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
    training_set = as_training_set(training_set)
    if feature is not None and not callable(feature):
        feature, = as_features(feature, training_set, _device(queries, device))
    vectors = vectors_of(queries, training_set, feature, plan)
    exclude = np.full(len(vectors), -1) if exclude is None else np.asarray(exclude)
    rows = np.arange(training_set.n) if rows is None else np.asarray(rows, np.int64)
    available = len(rows) - bool((exclude >= 0).any())
    if not isinstance(n_neighbors, numbers.Integral) or not 1 <= n_neighbors <= available:
        raise FmdiagError(f"n_neighbors must be in [1, {available}], the rows of {training_set.name} that count, "
                          f"got {n_neighbors!r}")
    space = search_space(training_set, feature, plan)
    device = _device(queries, device)
    found = space.search(rows, device, plan)(vectors, n_neighbors, exclude)

    def exact(chosen):
        return space.search(rows, device, replace(plan, index="flat"))(vectors[chosen], n_neighbors, exclude[chosen])[1]

    return Neighbors(*found, None if plan.exact else recalled(found[1], exact, len(vectors)))


def nearest_distinct(queries, training_set, *, feature=None, device=None, plan=EXACT, n_near=2):
    """Return the nearest training row and the nearest one that is not a duplicate of it.

    Duplicates (equal content, mirror images included) count as one row, the one with the lowest number: otherwise
    d1 = d2 for a copy of a repeated row, and the copy would hide. With a plan of a tolerance, so do rows within that
    distance of the nearest row. Parameters as in `nearest`; the distances of the `n_near` nearest distinct rows are
    kept.

    Returns
    -------
    DistinctNeighbors
        With ``d2 = inf``, ``rows2 = -1`` where the training set has one distinct row only.
    """
    vectors = vectors_of(queries, training_set, feature, plan)
    space, device = search_space(training_set, feature, plan), _device(queries, device)
    rows = distinct_rows(space.rows)
    if space.rows is not training_set:  # equal pictures are one row, whatever rounding made of their vectors
        rows = np.intersect1d(rows, distinct_rows(training_set))
    *found, near = first_two(space.search(rows, device, plan), vectors, plan.tolerance, n_near)

    def exact(chosen):
        again = first_two(space.search(rows, device, replace(plan, index="flat")), vectors[chosen], plan.tolerance)
        return np.stack([again[1], again[3]], axis=1)

    both = np.stack([found[1], found[3]], axis=1)
    return DistinctNeighbors(*found, None if plan.exact else recalled(both, exact, len(vectors)), near)


def _device(queries, device):
    return torch.device(device if device is not None else getattr(queries, "device", "cpu"))

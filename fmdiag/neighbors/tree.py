"""Nearest rows in few dimensions by a k-d tree: a query costs log n, and distances are differences in float64.

In the plane ten million rows lie so densely that float32 cannot order them; products in float64 can, but look at all
rows for every query. SciPy's tree is built once per set of rows and kept as long as the training set is.
"""

import weakref

import numpy as np
from scipy.spatial import cKDTree

from fmdiag.errors import FmdiagError

MOST_DIM = 8
FEWEST = 100_000       # rows: below, a tree costs more than it saves
ROW_BYTES = 24         # of a row besides twice its float64 coordinates: its number and its part of the nodes
_TREES = weakref.WeakKeyDictionary()


def serves(training_set, n_rows, memory):
    """Return whether a tree of so many rows is worth building and fits into `memory` bytes."""
    return (training_set.dim <= MOST_DIM and n_rows >= FEWEST
            and n_rows * (16 * training_set.dim + ROW_BYTES) <= memory)


def candidates(training_set, rows, queries, count):
    """Return (rows, d2, error) of the `count` rows nearest to each query, nearest first.

    Parameters
    ----------
    training_set : TrainingSet
        In few dimensions.
    rows : ndarray of int64, shape (m,)
        The row numbers that count, ascending.
    queries : ndarray, float64, shape (q, dim)
        Points.
    count : int
        At most m.

    Returns
    -------
    tuple of ndarray
        int64 and float64, shape (q, count), and the bound on the error of the squared distances, shape (q,).
    """
    distances, found = _tree(training_set, rows).query(queries, k=count)
    distances, found = distances.reshape(len(queries), count), found.reshape(len(queries), count)
    d2 = np.square(distances)
    # Differences, squares, their sum, a root and its square: each within a unit in the last place.
    return rows[found], d2, (training_set.dim + 8) * 2.0**-53 * d2[:, -1]


def _tree(training_set, rows):
    kept = _TREES.get(training_set)
    if kept is None or kept.n != len(rows):
        points, start = np.empty((len(rows), training_set.dim)), 0
        for first, block in training_set.blocks(1 << 20):
            low, high = np.searchsorted(rows, [first, first + len(block)])
            part = block.reshape(len(block), -1)[rows[low:high] - first].double().numpy()
            bad = np.flatnonzero(~np.isfinite(part).all(axis=1))
            if bad.size:
                raise FmdiagError(f"{training_set.name}: row {rows[low + bad[0]]} holds NaN or infinite values: "
                                  "leave it out")
            points[start : start + len(part)], start = part, start + len(part)
        kept = _TREES[training_set] = cKDTree(points, leafsize=32, balanced_tree=False, compact_nodes=False)
    return kept

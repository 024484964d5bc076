"""Nearest rows between two feature arrays: exact, in blocks, whatever the sizes.

Features are rounded to float32 first, as embeddings are; distances are then exact to float64 (fmdiag.neighbors).
"""

import numpy as np
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.neighbors import nearest


def near_rows(queries, rows, k=1, *, exclude=None):
    """Return (numbers, distances), shape (q, k): the k nearest of `rows` to each query, nearest first.

    Parameters
    ----------
    queries, rows : ndarray, shape (q, dim) and (n, dim)
        Features.
    exclude : ndarray of int, shape (q,), optional
        A row number per query that does not count, e.g. its own.

    Raises
    ------
    FmdiagError
        If there are fewer than k rows that count.
    """
    available = len(rows) - (exclude is not None)
    if k > available:
        raise FmdiagError(f"{k} nearest rows were asked for, but only {available} rows count: give more rows, or a "
                          "smaller number of neighbours")
    space = TrainingSet(np.ascontiguousarray(rows, dtype=np.float32), name="features")
    found = nearest(torch.from_numpy(np.ascontiguousarray(queries, dtype=np.float32)), space, n_neighbors=k,
                    exclude=exclude)
    return found.rows, found.distances

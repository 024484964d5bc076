"""Nearest contents of points among the training rows, and of training rows among the others (leave-one-out)."""

import numpy as np

from fmdiag.datasets import as_training_set
from fmdiag.datasets.duplicates import duplicate_groups, repeated
from fmdiag.neighbors.distinct import distinct_rows
from fmdiag.neighbors.nearest import Neighbors, _device
from fmdiag.neighbors.plan import EXACT
from fmdiag.neighbors.space import search_space, vectors_of


def nearest_contents(queries, training_set, *, n_neighbors, own=None, feature=None, device=None, plan=EXACT):
    """Return the nearest distinct training rows, for training rows those that are left without them.

    Parameters
    ----------
    queries : Tensor or ndarray, shape (q, *shape)
        Points in model range.
    training_set : TrainingSet
        Duplicates count as one row, the one with the lowest number.
    n_neighbors : int
        Wanted per query; where there are fewer distinct rows, as many as there are.
    own : ndarray of int64, shape (q,), optional
        The stored training row that each query is, or was made of: it does not count, and its mirror image neither,
        but another stored row with the same content does. Where rows have groups, none of its group counts.
    feature, device, plan
        As in `nearest`; a tolerance of the plan is not applied.

    Returns
    -------
    Neighbors
        Row -1 at distance inf where no further row is left.

    Examples
    --------
    >>> import fmdiag, numpy as np
    >>> train = fmdiag.load_dataset("digits")
    >>> bool((nearest_contents(train[[3, 5]], train, n_neighbors=1, own=np.array([3, 5])).distances > 0).all())
    True
    """
    training_set = as_training_set(training_set)
    vectors = vectors_of(queries, training_set, feature, plan)
    space = search_space(training_set, feature, plan)
    rows, groups = distinct_rows(space.rows), [np.asarray(duplicate_groups(space.rows))]
    if space.rows is not training_set:  # equal pictures are one row, whatever rounding made of their vectors
        rows, groups = np.intersect1d(rows, distinct_rows(training_set)), [duplicate_groups(training_set), *groups]
    search = space.search(rows, _device(queries, device), plan)
    if own is None:
        return Neighbors(*search(vectors, min(n_neighbors, len(rows)), np.full(len(vectors), -1)))
    alone = ~np.any([repeated(g, training_set.n_stored)[own] for g in groups], axis=0)
    found = np.full((len(vectors), n_neighbors), -1), np.full((len(vectors), n_neighbors), np.inf)
    pending, asked = np.arange(len(vectors)), n_neighbors + 2 * len(groups)
    while pending.size:
        asked = min(asked, len(rows))
        near, distances = search(vectors[pending], asked, np.full(len(pending), -1))
        mine = np.any([_own_content(g, near, own[pending], training_set) for g in groups], axis=0)
        mine = _own_group(training_set, near, own[pending], mine & alone[pending, None])
        distances = np.where(mine, np.inf, distances)
        order = np.argsort(distances, axis=1, kind="stable")[:, :n_neighbors]
        distances = np.take_along_axis(distances, order, 1)
        near = np.where(np.isfinite(distances), np.take_along_axis(near, order, 1), -1)
        found[0][pending, : order.shape[1]], found[1][pending, : order.shape[1]] = near, distances
        if asked == len(rows):
            break
        pending, asked = pending[~np.isfinite(found[1][pending]).all(1)], 4 * asked
    return Neighbors(*found)


def _own_group(training_set, found, own, mine):
    """Return which rows found are the query's own or of its group: bool, shape (q, k)."""
    if training_set.groups is None:
        return mine
    return mine | (training_set.group_of(found) == training_set.group_of(own)[:, None])


def _own_content(groups, found, own, training_set):
    """Return which rows found have the content of the query's own row or of its mirror image: bool, shape (q, k)."""
    groups = np.asarray(groups)
    contents = groups[found]
    mine = contents == groups[own][:, None]
    return mine | (contents == groups[own + training_set.n_stored][:, None]) if training_set.hflip else mine

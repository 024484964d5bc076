"""Space of a neighbour search: the rows themselves, or their vectors in a feature space, computed once.

A space is kept with its training set, the latest one only: the samples of every source are searched in it.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.features import embed
from fmdiag.neighbors.approximate import ApproximateSearch
from fmdiag.neighbors.search import Search

KEPT = "search_space"  # in the dict of a training set, so that it ends with it: (feature, Space)


@dataclass(frozen=True)
class Space:
    """The rows that are searched, as a training set of their own, and the latest index built of them."""

    rows: TrainingSet
    built: dict = field(default_factory=dict)

    def search(self, rows, device, plan):
        """Return the Search of some rows that the plan asks for; an index is built once."""
        if plan.exact:
            return Search(self.rows, rows, device, plan)
        known = self.built.get("search")
        if known is None or self.built["plan"] != plan or not np.array_equal(known.rows, rows):
            self.built.clear()
            self.built.update(plan=plan, search=ApproximateSearch(self.rows, rows, device, plan))
        return self.built["search"]


def search_space(training_set, feature, plan):
    """Return the Space of a training set under a feature, or of its own rows without one."""
    feature = _beyond_pixels(feature)
    known, space = vars(training_set).get(KEPT, (None, None))
    if space is None or known is not feature:
        space = Space(training_set if feature is None else _embedded(training_set, feature, plan))
        if feature is not None or not plan.exact:
            vars(training_set)[KEPT] = feature, space
    return space


def _embedded(training_set, feature, plan):
    vectors = embed(training_set, feature, cache=plan.cache, memory=plan.memory, progress=plan.progress)
    return TrainingSet(vectors, name=f"{training_set.name} ({feature.name})")


def vectors_of(queries, training_set, feature, plan):
    """Return the queries in the space that is searched: ndarray, shape (q, d), float32 or float64, checked."""
    if not isinstance(queries, torch.Tensor):
        queries = torch.from_numpy(np.require(queries, requirements="W"))
    queries = queries.detach().cpu()
    if queries.ndim != 1 + len(training_set.shape) or tuple(queries.shape[1:]) != training_set.shape:
        raise FmdiagError(f"queries must have shape (q, {', '.join(map(str, training_set.shape))}) like the rows of "
                          f"{training_set.name}, got {tuple(queries.shape)}")
    vectors = queries.reshape(len(queries), training_set.dim).numpy()
    vectors = vectors if vectors.dtype == np.float64 else vectors.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        raise FmdiagError(f"query {bad[0]} holds NaN or infinite values ({bad.size} of {len(vectors)} do)")
    feature = _beyond_pixels(feature)
    if feature is None or not len(queries):
        return vectors
    return np.array(embed(queries.float(), feature, cache=plan.cache))


def _beyond_pixels(feature):
    """Return None for the feature that is the image itself: its vectors are the rows, and need not be kept."""
    return None if getattr(feature, "identity", False) else feature

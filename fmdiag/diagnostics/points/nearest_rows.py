"""Nearest training rows of samples on several ranks: each searches for its share of the samples."""

import numpy as np

from fmdiag.neighbors import EXACT, nearest_distinct
from fmdiag.neighbors.nearest import DistinctNeighbors
from fmdiag.ranks.group import SINGLE


def nearest_rows(points, training_set, *, feature=None, device=None, group=SINGLE, plan=EXACT,
                 n_near=2):
    """Return the DistinctNeighbors of all points, on every rank of a Group; parameters as in `nearest_distinct`."""
    parts = group.spread(points, lambda mine: nearest_distinct(mine, training_set, feature=feature, device=device,
                                                               plan=plan, n_near=n_near))
    names = ("rows1", "d1", "rows2", "d2", "near") + (() if plan.exact else ("recalled",))
    return DistinctNeighbors(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

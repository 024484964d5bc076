"""Nearest other training examples, of every training example and of held-out examples, under one rule.

    near:  d < threshold · s,   s: distance to the tenth nearest example with another content, itself not counted,

a rule without units, as samples count as copies below a third of d2; with a tolerance, near: d <= tolerance. Equal
examples are one row of the search, their lowest; so are mirror images where flips count.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.neighbors.space import search_space, vectors_of
from fmdiag.ranks.group import SINGLE

BLOCK_BYTES = 1 << 27   # of vectors that are looked up in one search
BEYOND = 2              # neighbors asked for beyond those wanted: the example's own mirror image may be among them


@dataclass(frozen=True)
class Rule:
    """What counts as near: below a share of the distance to the k-th nearest, or within a distance."""

    threshold: float = 1 / 3
    neighbor: int = 10
    tolerance: float = 0.0

    def limits(self, scale):
        """Return the largest distances that are near, shape (q,), of distances to the k-th nearest."""
        return np.full(len(scale), self.tolerance) if self.tolerance else self.threshold * scale

    def near(self, distances, scale):
        """Return which distances, shape (q, k), are near, bool."""
        limits = self.limits(scale)[:, None]
        return distances <= limits if self.tolerance else (distances < limits) | (distances == 0)


@dataclass(frozen=True)
class Others:
    """Nearest training examples of q examples: rows (int64, -1 for none; mirror images from n_stored on), distances.

    Both of shape (q, k), nearest first; scale, shape (q,): the distance to the last of them.
    """

    rows: np.ndarray
    distances: np.ndarray

    @property
    def scale(self):
        """Distance to the last neighbor there is, NaN where there are fewer than two: then only equal ones are near."""
        last = np.maximum(np.isfinite(self.distances).sum(1) - 1, 0)
        return np.where(last > 0, self.distances[np.arange(len(last)), last], np.nan)


def contents(training_set):
    """Return the label of every stored row's content, int64, shape (n_stored,): the lowest row that is equal to it.

    Where flips count, a mirror image has the label of its row.
    """
    groups, n = np.asarray(duplicate_groups(training_set)), training_set.n_stored
    return np.minimum(groups[:n], groups[n:]) if training_set.hflip else groups[:n]


def searched_rows(training_set):
    """Return the rows that are searched, ascending: one of every content, and its mirror image where flips count."""
    labels, n = contents(training_set), training_set.n_stored
    first = np.flatnonzero(labels == np.arange(n))
    if not training_set.hflip:
        return first
    groups = np.asarray(duplicate_groups(training_set))
    return np.concatenate([first, n + first[groups[first] != groups[n + first]]])


def among_training_rows(training_set, numbers, rule, *, feature=None, plan, **search):
    """Return the Others of training rows, stored ones that are the first of their content; keywords as `of_points`."""
    n, rows = training_set.n_stored, search_space(training_set, feature, plan).rows

    def vectors(mine):
        return rows[mine].reshape(len(mine), rows.dim).numpy()

    return _found(vectors, training_set, numbers, rule, lambda found, mine: found % n == mine[:, None],
                  feature=feature, plan=plan, **search)


def of_points(points, training_set, rule, *, feature=None, plan, **search):
    """Return the Others of points that are no training rows.

    Parameters
    ----------
    points : TrainingSet or Tensor, shape (q, *shape)
        In model range.
    training_set : TrainingSet
    rule : Rule
    feature, plan
        As in `fmdiag.neighbors.nearest`.
    **search
        device, group; progress, which wraps the list of blocks.
    """
    return _found(lambda mine: vectors_of(points[mine], training_set, feature, plan), training_set,
                  np.arange(len(points)), rule, lambda found, mine: np.zeros(found.shape, bool),
                  feature=feature, plan=plan, **search)


def _found(vectors, training_set, numbers, rule, own, *, feature, plan, device="cpu", group=SINGLE, progress=iter):
    """Return the Others of the vectors with these numbers, blocks of them shared by the ranks of a Group."""
    rows, space = searched_rows(training_set), search_space(training_set, feature, plan)
    search, k = space.search(rows, torch.device(device), plan), min(rule.neighbor + BEYOND, len(rows))
    size = max(1, int(BLOCK_BYTES * plan.scale) // (4 * max(training_set.dim, space.rows.dim)))

    def look_up(mine):
        found, distances = search(vectors(mine), k, np.full(len(mine), -1))
        return _nearest_first(found, np.where(own(found, mine), np.inf, distances), rule.neighbor)

    def work(mine):
        parts = [look_up(part) for part in progress(np.split(mine, range(size, len(mine), size)))]
        return [np.concatenate(both) for both in zip(*parts, strict=True)]

    if not len(numbers):
        return Others(np.empty((0, rule.neighbor), np.int64), np.empty((0, rule.neighbor)))
    parts = group.spread(np.asarray(numbers, np.int64), work)
    return Others(*(np.concatenate(both) for both in zip(*parts, strict=True)))


def _nearest_first(rows, distances, k):
    """Return (rows, distances), shape (q, k), ascending; -1 at distance inf where there are fewer."""
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    rows, distances = np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1)
    fill = ((0, 0), (0, k - rows.shape[1]))
    return (np.pad(np.where(np.isfinite(distances), rows, -1), fill, constant_values=-1),
            np.pad(distances, fill, constant_values=np.inf))

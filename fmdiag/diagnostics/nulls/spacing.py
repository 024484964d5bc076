"""Distances of held-out rows to training rows, and of training rows to one another: the leave-one-out control.

Two statistics of the sorted distances d_1 <= d_2 <= ... to distinct rows. A row *touches* the training set if d_1 / d_2
< 1/3, the rule by which samples count as copies. Its *spacing* is the distance to the first row behind the last gap,
d_(j+1) for the last j with d_j / d_(j+1) < 1/3, or d_1 without a gap: near-duplicates within the training set, which a
fresh row need not have, do not count as neighbours then, for rows of either kind.
"""

from dataclasses import dataclass

import numpy as np

from fmdiag.neighbors import EXACT
from fmdiag.neighbors.others import nearest_contents
from fmdiag.ranks.group import SINGLE

RULE = 1 / 3
N_NEIGHBORS = 8


@dataclass(frozen=True)
class Spacing:
    """Distances of q rows to the training set.

    Parameters
    ----------
    nearest : ndarray of int64, shape (q,)
        Training row.
    d1, d2 : ndarray of float64, shape (q,)
        To the nearest and to the nearest of another content.
    spacing : ndarray of float64, shape (q,)
        Distance behind the last gap; see the module.
    """

    nearest: np.ndarray
    d1: np.ndarray
    d2: np.ndarray
    spacing: np.ndarray

    @property
    def ratio(self):
        """d1 / d2, 0 where d1 is 0, shape (q,)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.d1 == 0, 0.0, np.where(np.isfinite(self.d2), self.d1 / self.d2, 1.0))


def spacings(queries, training_set, *, own=None, feature=None, device=None, group=SINGLE, plan=EXACT):
    """Return the Spacing of points, on every rank of a Group; parameters as in `nearest_contents`."""
    numbers = np.arange(len(queries))

    def search(mine):
        found = nearest_contents(queries[mine], training_set, n_neighbors=N_NEIGHBORS, feature=feature, device=device,
                                 plan=plan, own=None if own is None else own[mine])
        return found.rows, found.distances

    parts = group.spread(numbers, search)
    rows, d = (np.concatenate(both) for both in zip(*parts, strict=True))
    second = d[:, 1] if d.shape[1] > 1 else np.full(len(d), np.inf)
    return Spacing(rows[:, 0], d[:, 0], second, behind_gaps(d))


def behind_gaps(distances):
    """Return the distance behind the last gap of ascending distances: shape (q, k) to (q,).

    Examples
    --------
    >>> behind_gaps(np.array([[1.0, 2.0, 3.0], [0.1, 0.2, 5.0], [0.0, 1.0, 9.0]])).tolist()
    [1.0, 5.0, 9.0]
    """
    finite = np.isfinite(distances)
    gaps = (distances[:, :-1] < RULE * distances[:, 1:]) & finite[:, 1:]
    last = np.where(gaps.any(1), gaps.shape[1] - gaps[:, ::-1].argmax(1), 0) if gaps.shape[1] else 0
    return distances[np.arange(len(distances)), last]

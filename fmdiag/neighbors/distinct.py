"""Nearest distinct rows: the first of the near rows that is no duplicate of the nearest.

Equal rows are found by a hash of their content and searched once, under the lowest number. Near-duplicates are those
within a tolerance of the nearest row: the list of neighbours is lengthened until one lies beyond.
"""

import numpy as np

from fmdiag.datasets.duplicates import duplicate_groups

AT_FIRST = 8  # neighbours looked at where near-duplicates are left out
CANDIDATES = 1 << 22  # in one pass
SCORE_BYTES = 1 << 25


def distinct_rows(training_set):
    """Return the row numbers, ascending, that are the first of their content."""
    return np.flatnonzero(np.asarray(duplicate_groups(training_set)) == np.arange(training_set.n))


def first_two(search, queries, tolerance=0.0, n_near=2):
    """Return (rows1, d1, rows2, d2, near): the nearest row, and the nearest farther than `tolerance` from it.

    Parameters
    ----------
    search : Search
        Of distinct rows.
    queries : ndarray, shape (q, d)
        Vectors.
    tolerance : float
        Euclidean distance.
    n_near : int
        Number of nearest rows whose distances are kept.

    Returns
    -------
    tuple of ndarray
        The first four of shape (q,); rows2 is -1 and d2 inf where there is no such row. near, shape (q, n_near), holds
        the distances of the nearest rows, ascending, inf where there are fewer.
    """
    n, m = len(queries), len(search.rows)
    near = np.full((n, n_near), np.inf)
    rows1, d1, rows2, d2 = np.full(n, -1), np.full(n, np.inf), np.full(n, -1), np.full(n, np.inf)
    pending, k = np.arange(n), min(max(n_near, AT_FIRST if tolerance > 0 else 2), m)
    while pending.size:
        left = []
        for part in np.split(pending, range(max(1, CANDIDATES // k), len(pending), max(1, CANDIDATES // k))):
            rows, distances = search(queries[part], k, np.full(len(part), -1))
            rows1[part], d1[part] = rows[:, 0], distances[:, 0]
            near[part, : min(n_near, k)] = distances[:, :n_near]
            beyond = _beyond(search.training_set, rows, tolerance)
            first, any_row = beyond.argmax(1), beyond.any(1)
            here = np.flatnonzero(any_row)
            rows2[part[here]], d2[part[here]] = rows[here, first[here]], distances[here, first[here]]
            left.append(part[~any_row])
        if k == m:
            break
        pending, k = np.concatenate(left), min(4 * k, m)
    return rows1, d1, rows2, d2, near


def _beyond(training_set, rows, tolerance):
    """Return bool, shape (p, k): which rows lie farther than `tolerance` from the first of their line."""
    beyond = np.zeros(rows.shape, dtype=bool)
    if tolerance == 0:  # the rows searched are distinct
        beyond[:, 1:] = True
        return beyond
    size = max(1, SCORE_BYTES // (8 * training_set.dim * rows.shape[1]))
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        x = training_set[part.reshape(-1)].reshape(*part.shape, -1).double().numpy()
        beyond[start : start + size] = ((x - x[:, :1]) ** 2).sum(-1) > tolerance**2
    return beyond

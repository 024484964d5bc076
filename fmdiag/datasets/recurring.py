"""Recurring content of a training set and a held-out set together: the rows whose content is in the pool again.

Where data are discrete or repeat themselves, whatever fits them fits content that is frequent, and frequent content is
on both sides. To leave it out on one side only leaves common content among the training rows and rare content among the
held-out rows, which any model of the distribution can tell apart. A row that occurs once in the whole pool had the same
chance to be on either side: what is left is exchangeable.
"""

import numpy as np

from fmdiag.datasets.overlap import content_keys, way_to_store


def recurring(training_set, held_out):
    """Return which stored rows of both sets have content that is in the pool again.

    Parameters
    ----------
    training_set, held_out : TrainingSet
        Of one shape, both read in blocks. Where both have groups, content may recur within a group, which is on one
        side as a whole.

    Returns
    -------
    tuple of two ndarray of bool, shape (n_stored,) each
        Of pictures mirror images count as the same content, whether the sets have flips or not.

    Examples
    --------
    >>> import numpy as np
    >>> from fmdiag import TrainingSet
    >>> train, held_out = (TrainingSet(np.float32(rows)) for rows in ([[1], [2], [3], [3]], [[2], [4]]))
    >>> [found.tolist() for found in recurring(train, held_out)]
    [[False, True, True, True], [True, False]]
    """
    sets = (training_set, held_out)
    same = way_to_store(training_set) == way_to_store(held_out)
    grouped = all(rows.groups is not None for rows in sets)
    content = np.unique(np.concatenate([_keys(rows, same) for rows in sets]), return_inverse=True)[1]
    units = np.concatenate([rows.groups for rows in sets]) if grouped else np.arange(len(content))
    pairs = np.unique(np.stack([content, units], 1), axis=0)
    again = (np.bincount(pairs[:, 0]) > 1)[content]
    return again[: training_set.n_stored], again[training_set.n_stored :]


def _keys(rows, same):
    keys = content_keys(rows, same, False)
    return np.minimum(keys, content_keys(rows, same, True)) if len(rows.shape) == 3 else keys

"""Which training rows are copies of each other?

A copied row hides memorisation: the ratio of the distances to the two nearest rows is 1 when both are the same picture.
Rows are compared byte for byte by a 128-bit hash; with flips, a mirror image that equals another row is a copy too.
"""

import hashlib
import weakref

import numpy as np

from fmdiag.datasets.memory_mapped import read_ahead

BLOCK_BYTES = 1 << 24
_GROUPS = weakref.WeakKeyDictionary()


def duplicate_groups(training_set):
    """Return, for every row, the lowest row number with the same content; computed once per TrainingSet object.

    Parameters
    ----------
    training_set : TrainingSet
        Any; its rows are read in blocks.

    Returns
    -------
    ndarray of int64, shape (n,)
        ``groups[i] == i`` exactly for the first of its copies.
    """
    if training_set not in _GROUPS:
        _GROUPS[training_set] = _groups(training_set)
    return _GROUPS[training_set]


def _groups(training_set):
    first = {}
    hashes = _row_hashes(training_set)
    return np.fromiter((first.setdefault(key, row) for row, key in enumerate(hashes)), np.int64, training_set.n)


def _row_hashes(training_set):
    """Yield the hash of every row, mirror images after all stored rows."""
    step = max(1, BLOCK_BYTES // max(1, training_set.rows[:1].nbytes))
    for flipped in (False, True) if training_set.hflip else (False,):
        for block in read_ahead(training_set.rows, [(k, k + step) for k in range(0, training_set.n_stored, step)]):
            block = block[..., ::-1] if flipped else block
            if block.dtype.kind == "f":
                block = block + block.dtype.type(0)  # -0.0 equals 0.0, but not in bytes
            for row in np.ascontiguousarray(block):
                yield hashlib.blake2b(row, digest_size=16).digest()

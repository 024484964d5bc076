"""Duplicates among training rows, found by content or within a tolerance.

A copied row hides memorisation: the ratio of the distances to the two nearest rows is 1 when both are the same picture.
Rows are compared byte for byte, by a 128-bit hash where they are longer than that; with flips, a mirror image that
equals another row is a copy too.
"""

import hashlib
import weakref

import numpy as np

from fmdiag.datasets.memory_mapped import read_ahead

BLOCK_BYTES = 1 << 24
KEY_BYTES = 16
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


def repeated(groups, n_stored):
    """Return which stored rows have the content, or mirrored content, of another stored row: bool, shape (n_stored,).

    Parameters
    ----------
    groups : ndarray of int64, shape (n_stored,) or (2 n_stored,)
        Of `duplicate_groups`; mirror images follow the stored rows.
    """
    groups = np.asarray(groups)
    stored, mirrored = groups[:n_stored], groups[n_stored:]
    counts = np.bincount(stored, minlength=len(groups))
    again = counts[stored] > 1
    return again | (counts[mirrored] > (mirrored == stored)) if len(mirrored) else again


def _groups(training_set):
    keys, start = np.empty((training_set.n, 2), np.uint64), 0
    for block in _row_keys(training_set):
        keys[start : start + len(block)], start = block, start + len(block)
    # Stable, so that within equal keys the lowest row comes first.
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    new = np.ones(len(order), bool)
    new[1:] = (keys[order[1:]] != keys[order[:-1]]).any(1)
    groups = np.empty(len(order), np.int64)
    groups[order] = order[new][np.cumsum(new) - 1]
    return groups


def _row_keys(training_set):
    """Yield 128 bits per row, uint64 of shape (m, 2), mirror images after all stored rows: its hash, or itself."""
    step = max(1, BLOCK_BYTES // max(1, training_set.rows[:1].nbytes))
    for flipped in (False, True) if training_set.hflip else (False,):
        for block in read_ahead(training_set.rows, [(k, k + step) for k in range(0, training_set.n_stored, step)]):
            block = block[..., ::-1] if flipped else block
            if block.dtype.kind == "f":
                block = block + block.dtype.type(0)  # -0.0 equals 0.0, but not in bytes
            block = np.ascontiguousarray(block).reshape(len(block), -1).view(np.uint8)
            if block.shape[1] <= KEY_BYTES:
                yield np.pad(block, ((0, 0), (0, KEY_BYTES - block.shape[1]))).view(np.uint64)
            else:
                digests = b"".join(hashlib.blake2b(row, digest_size=KEY_BYTES).digest() for row in block)
                yield np.frombuffer(digests, np.uint64).reshape(-1, 2)

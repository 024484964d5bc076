"""Fingerprint, moments and bad rows of a whole set, gathered while it is read for something else.

A pass over a file larger than memory takes as long as the measurement itself, so that statistics of a memory-mapped set
are gathered on its first pass over all rows, whoever makes it; the hash is computed by a thread of its own.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from fmdiag.errors import FmdiagError

CHECKED_AT_ONCE = 1 << 30   # bytes: arrays up to this size are checked when they are loaded, larger ones when read


def new_digest(training_set):
    """Return a SHA-256 that has seen all of the fingerprint but the rows."""
    rows, flips = training_set.rows, bool(training_set.hflip)
    header = (rows.shape, rows.dtype.name, float(training_set.divisor), float(training_set.shift), flips)
    if training_set.spread is not None:   # what the rows were sampled with
        header = (*header, getattr(training_set.spread, "fingerprint", training_set.spread))
    if getattr(training_set, "logarithmic", False):
        header = (*header, "logarithmic")
    return hashlib.sha256(repr(header).encode())


class Tally:
    """Gathers what `blocks` hands out, if that is every stored row in order.

    Parameters
    ----------
    training_set : TrainingSet
        Gets the attributes `fingerprint` and `moments` once all rows have passed.
    """

    def __init__(self, training_set):
        self.training_set, self.next = training_set, 0
        self.digest = new_digest(training_set)
        self.total = torch.zeros(training_set.dim, dtype=torch.float64)
        self.square = 0.0
        self.hashing, self.hasher = None, ThreadPoolExecutor(1)

    def add(self, first, stored, block):
        """Take note of rows from `first` on: as stored, and as float32 of shape (m, dim) in model range."""
        if first != self.next or first == self.training_set.n_stored:
            return
        self._wait()
        self.hashing = self.hasher.submit(self.digest.update, np.ascontiguousarray(stored).data)
        self.total += block.sum(0).double().cpu()
        self.square += torch.linalg.vecdot(block, block).double().sum().item()
        self.next += len(block)
        if self.next == self.training_set.n_stored:
            self._wait()
            vars(self.training_set).update(fingerprint=self.digest.hexdigest(), moments=(self.total, self.square))

    def _wait(self):
        if self.hashing is not None:
            self.hashing.result()


def known_moments(training_set):
    """Return (sum of the rows, float64 of shape (dim,); sum of their squared norms), flips counted; None if unknown."""
    if "moments" not in vars(training_set):
        return None
    total, square = vars(training_set)["moments"]
    if not training_set.hflip:
        return total, square
    return total + total.reshape(training_set.shape).flip(-1).reshape(-1), 2 * square


def refuse_bad_rows(name, first, block):
    """Raise FmdiagError if a row, of those from `first` on, float32 of shape (m, dim), holds NaN or infinity."""
    if not bool(torch.isfinite(block.sum())):   # a sum costs less; if it merely overflowed, no row is found
        bad = torch.nonzero(~torch.isfinite(block).all(1)).reshape(-1)
        if len(bad):
            raise FmdiagError(f"{name}: row {first + int(bad[0])} holds NaN or infinity; "
                              "remove or mend such rows first")

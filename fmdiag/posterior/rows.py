"""Rows for û*: from memory as float32 where they fit, else from storage.

Each rank has its own contiguous share of them, and numbers it from 0.
"""

import math
import numbers

import numpy as np
import torch
import torch.nn.functional as F

from fmdiag.errors import FmdiagError
from fmdiag.memory import default_memory
from fmdiag.posterior.rounding import UNIT, RowProbes
from fmdiag.ranks.group import SINGLE

BLOCK_BYTES = 1 << 23   # of float32 rows: a block stays in cache while queries pass over it
MOST_ROWS = 1024        # and so do the log-weights of 256 queries on it
MOST_SHORT_ROWS = 8192  # of few dimensions, where more blocks cost more than what leaves the cache
GATHER_BYTES = 1 << 26
SMALL_DIM = 64          # up to here sums in float64 cost less than reading the rows


def product_dtype(dim):
    """Return the type of products in `dim` dimensions."""
    return torch.float64 if dim <= SMALL_DIM else torch.float32


def shared_memory(memory, device, group):
    """Return `memory`, or by default the least that any rank has: block sizes must be the same on all."""
    if memory is not None:
        if not isinstance(memory, numbers.Real) or isinstance(memory, bool) or not 1 <= memory < math.inf:
            raise FmdiagError(f"memory must be a number of bytes, at least 1, got {memory!r}")
        return int(memory)
    own = torch.tensor([default_memory(device)], dtype=torch.int64, device=device)
    return int(group.min(own))


class RowStore:
    """Rows of a training set for products over all of them and sums over few.

    Parameters
    ----------
    training_set : TrainingSet
        n rows, flips counted.
    memory : int
        Bytes that may be used; rows are kept as float32 if they fit into half of it.
    device : torch.device
        Where blocks are handed out.
    block_rows : int, optional
        Rows per block.
    group : Group
        The ranks that share the rows out.

    Attributes
    ----------
    n, size, first : int
        Number of rows in all, number of this rank's, and the first of these.
    probes : RowProbes
        Of the rows less their center, complete after the first pass of products over them.
    """

    def __init__(self, training_set, memory, device, block_rows=None, group=SINGLE):
        self.training_set, self.device, self.group = training_set, device, group
        self.n, self.dim = training_set.n, training_set.dim
        self.share = group.share(self.n)
        self.first, self.size = self.share.start, self.share.stop - self.share.start
        bytes_per_row = 4 * self.dim
        fitting = min(max(BLOCK_BYTES, 256 * bytes_per_row), memory // 8) // bytes_per_row
        self.block_rows = block_rows or max(1, min(MOST_ROWS if self.dim > SMALL_DIM else MOST_SHORT_ROWS,
                                                        int(fitting)))
        self.kept, self.probes = None, RowProbes(self.dim, device)
        if self.size * bytes_per_row <= memory // 2:
            kept = torch.empty(self.size, self.dim, device=device)
            for first, block in self.blocks():
                kept[first : first + len(block)] = block
            self.kept = kept

    def spans(self):
        """Return the slices of this rank's row numbers that `blocks` goes through."""
        if self.kept is None:
            spans = self.training_set.spans(self.block_rows, self.share)
            return [slice(first - self.first, first - self.first + size) for first, size in spans]
        return [slice(k, min(k + self.block_rows, self.size)) for k in range(0, self.size, self.block_rows)]

    def blocks(self):
        """Yield (first row, float32 rows of shape (m, dim))."""
        if self.kept is None:
            for first, block in self.training_set.blocks(self.block_rows, device=self.device, rows=self.share):
                yield first - self.first, block
            return
        for first in range(0, self.size, self.block_rows):
            yield first, self.kept[first : first + self.block_rows]

    def center(self):
        """Return the point that products measure from, float64 of shape (dim,), the same on all ranks.

        Distances do not change when it is subtracted, rounding does: the mean of the set's first block.
        """
        _, block = next(self.training_set.blocks(self.block_rows, device=self.device))
        return block.double().mean(0)

    def centred(self, block, center, dtype):
        """Return a block of rows less `center`, in `dtype`, float32 or float64; shape (m, dim)."""
        # In float64 the difference is taken exactly; in float32 the rows' own rounding is as large.
        return block.double() - center if dtype == torch.float64 else block - center.float()

    def take(self, numbers):
        """Return rows by number, float32, shape (k, dim)."""
        if self.kept is not None:
            return self.kept[numbers]
        rows = self.training_set[np.asarray(numbers.cpu()) + self.first]
        return rows.reshape(len(numbers), self.dim).to(self.device)

    @property
    def sum_unit(self):
        """The unit roundoff of `weighted_sums`."""
        return UNIT[torch.float32 if self.kept is not None and self.dim > SMALL_DIM else torch.float64]

    def weighted_sums(self, numbers, weights, offsets):
        """Return sum_j weights[j] X[numbers[j]] per bag, shape (bags, dim), float64.

        Summed in float32 where rows are kept and long: see `sum_unit`.

        Parameters
        ----------
        numbers : Tensor of int64, shape (k,)
            Row numbers, bag after bag.
        weights : Tensor, float64, shape (k,)
            Their weights.
        offsets : Tensor of int64, shape (bags + 1,)
            Where each bag begins; the last entry is k.
        """
        if self.kept is not None and self.dim > SMALL_DIM:
            sums = F.embedding_bag(numbers, self.kept, offsets[:-1], mode="sum", per_sample_weights=weights.float())
            return sums.double()
        sums = torch.zeros(len(offsets) - 1, self.dim, dtype=torch.float64, device=self.device)
        bags = torch.repeat_interleave(torch.arange(len(offsets) - 1, device=self.device), offsets.diff())
        for part in torch.arange(len(numbers), device=self.device).split(max(1, GATHER_BYTES // (4 * self.dim))):
            sums.index_add_(0, bags[part], self.take(numbers[part]).double() * weights[part, None])
        return sums

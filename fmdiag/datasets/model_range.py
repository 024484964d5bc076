"""Rows of a set as the network saw them: some, or all in blocks, in model range; and the hash of all."""

from functools import cached_property

import numpy as np
import torch

from fmdiag.datasets.memory_mapped import mapping, read_ahead, take
from fmdiag.datasets.tally import Tally, new_digest, refuse_bad_rows

HASH_BYTES = 1 << 24
CACHED_VALUES = 1 << 17


class RowsInModelRange:
    """What reads the rows of a `TrainingSet`, whose attributes it uses."""

    rows: np.ndarray
    divisor: float
    shift: float
    name: str
    n: int
    n_stored: int
    dim: int
    dtype: np.dtype

    def __getitem__(self, index):
        """Return rows in model range.

        Parameters
        ----------
        index : int, slice, or sequence of int
            Row numbers in [0, n); n_stored and above are mirror images.

        Returns
        -------
        Tensor, float32, shape (b, *shape), or `shape` for a single int
        """
        if isinstance(index, (int, np.integer)):
            return self[[int(index)]][0]
        if isinstance(index, slice):
            index = np.arange(*index.indices(self.n))
        numbers = np.asarray(index, dtype=np.int64).reshape(-1)
        if numbers.size and (numbers.min() < -self.n or numbers.max() >= self.n):
            raise IndexError(f"row numbers must be in [0, {self.n}), got {numbers.min()} to {numbers.max()}")
        numbers = numbers % self.n
        rows = self.to_model_range(take(self.rows, numbers % self.n_stored))
        flipped = torch.from_numpy(numbers >= self.n_stored)
        if flipped.any():
            rows[flipped] = rows[flipped].flip(-1)
        return rows

    def to_model_range(self, rows):
        """Return stored `rows`, an ndarray of any leading shape, as a float32 tensor in model range; a copy."""
        stored = torch.from_numpy(np.require(rows, requirements="W"))
        values = torch.empty(stored.shape)
        few = max(1, CACHED_VALUES // max(1, self.dim))  # rows at a time, so that three passes over them cost one
        for k in range(0, len(stored), few):
            part = values[k : k + few].copy_(stored[k : k + few])
            if self.divisor != 1 or self.shift != 0:
                part.div_(self.divisor).add_(self.shift)
        return values

    def to_uint8(self, images):
        """Return `images`, a model-range tensor, as uint8 pictures: `picture_range` is mapped to [0, 255]."""
        low, high = self.picture_range
        scaled = (images.float() - low) / (high - low) * 255
        return scaled.round_().clamp_(0, 255).to(torch.uint8)

    @cached_property
    def picture_range(self):
        """The model-range values shown as black and white: the full range of 8-bit data, else that of 1000 rows."""
        if self.rows.dtype == np.uint8:
            return self.shift, -self.shift if self.shift < 0 else 255 / self.divisor + self.shift
        sample = self[slice(0, min(self.n, 1000))]
        low, high = sample.min().item(), sample.max().item()
        return (low, high) if high > low else (low - 1, high + 1)

    def blocks(self, size, *, device="cpu", rows=None):
        """Yield (start, block): rows from `start` on, flattened, float32 in model range, shape (m, dim), m <= size.

        `rows`, a slice of row numbers, asks for those only: nothing else is read.
        """
        spans = list(self.spans(size, rows))
        stored = read_ahead(self.rows, [(first % self.n_stored, first % self.n_stored + m) for first, m in spans])
        mapped = mapping(self.rows) is not None
        tally = Tally(self) if mapped and "moments" not in vars(self) else None
        for (first, m), part in zip(spans, stored, strict=True):
            block = self.to_model_range(part).to(device)
            if mapped and self.dtype.kind == "f":
                refuse_bad_rows(self.name, first, block.reshape(m, self.dim))
            if tally is not None:
                tally.add(first, part, block.reshape(m, self.dim))
            if first >= self.n_stored:
                block = block.flip(-1)
            yield first, block.reshape(m, self.dim)

    def spans(self, size, rows=None):
        """Yield (first row, number of rows) of the blocks of at most `size` rows; none holds both halves of flips."""
        begin, end, _ = (rows or slice(None)).indices(self.n)
        for low in range(0, self.n, self.n_stored):
            stop = min(end, low + self.n_stored)
            for first in range(max(begin, low), stop, size):
                yield first, min(size, stop - first)

    @cached_property
    def fingerprint(self):
        """SHA-256 (hex) of what the model could have seen: shape, dtype, map to model range, flips and every byte."""
        digest = new_digest(self)
        per_chunk = max(1, HASH_BYTES // max(1, self.rows[:1].nbytes))
        for part in read_ahead(self.rows, [(k, k + per_chunk) for k in range(0, self.n_stored, per_chunk)]):
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()

"""Layout of an array of unknown origin: rows, channels first, with a map to model range.

- uint8 is pictures: divisor 127.5, shift -1. ``(n, h, w)`` gains a channel axis; ``(n, h, w, 1 or 3)`` is moved to
  channels first unless its second axis could be the channels (is 1 or 3 itself).
- Float arrays are taken to be in model range already and are left as they are; ``(n, h, h, 1, 3 or 4)`` is moved to
  channels first.
- Whole numbers wider than 8 bits that look like pictures are pictures if they reach from 0 to 200 or more, at most 255.
- With `value_range`, the values that stand for black and white, any array is pictures: laid out as uint8 is, and
  [low, high] is mapped to [-1, 1].
- NaN, infinity, values outside `value_range`, Python objects, and other whole numbers wider than 8 bits that look like
  pictures but have no `value_range` are refused.
"""

import numpy as np

from fmdiag.datasets.digits_kept import check_digits
from fmdiag.datasets.memory_mapped import mapping, read_ahead
from fmdiag.datasets.tally import CHECKED_AT_ONCE
from fmdiag.datasets.value_range import span_of_integers
from fmdiag.errors import FmdiagError

CHANNELS = (1, 3)
DARKEST = 200           # least greatest value of a set of pictures of 8 bits
SCAN_BYTES = 1 << 24


def training_rows(part, name, value_range=None, *, exact=True):
    """Return (rows, divisor, shift) of a part, checked.

    Parameters
    ----------
    part : Part
        As its reader gave it.
    name : str
        Source, for messages.
    value_range : pair of float, optional
        Stored values that are to become -1 and 1.
    exact : bool
        Whether no value may lie outside them. Else, for samples, values may, by a quarter of their distance; and rows
        that diverged, NaN, infinite or further outside, are let through unless most are.

    Returns
    -------
    tuple of (ndarray, shape (n, *shape); float; float)

    Raises
    ------
    FmdiagError
        If the array cannot be a training set.
    """
    rows = _native(np.asanyarray(part.rows), name)
    if rows.ndim < 2 or rows.size == 0:
        raise FmdiagError(f"{name}: a training set needs shape (n, ...) with n >= 1, got {rows.shape}")
    if part.divisor is not None:
        return rows, part.divisor, part.shift
    if value_range is not None:
        low, high = checked_range(value_range)
        check_values(rows, name, low, high, exact=exact)
        return channels_first(rows, name), (high - low) / 2, -(high + low) / (high - low)
    if rows.dtype == np.uint8:
        return (channels_first(rows, name), 127.5, -1.0) if rows.ndim > 2 else (rows, 127.5, -1.0)
    if rows.dtype.kind in "iu" and rows.ndim > 2:
        least, greatest = span_of_integers(rows)
        if least < 0 or not DARKEST <= greatest <= 255:
            raise FmdiagError(f"{name}: pictures of dtype {rows.dtype} with values from {least} to {greatest} have no "
                              "known range; store uint8 from 0 to 255, or give the values of black and white, for "
                              f"instance --value-range {least},{max(greatest, least + 1)}")
        return channels_first(rows, name), 127.5, -1.0
    check_values(rows, name, exact=exact)
    check_digits(rows, name)
    return (rows.transpose(0, 3, 1, 2) if channels_last(rows.shape) else rows), 1.0, 0.0


def channels_last(shape):
    """Whether an array of this shape is of square pictures or latents, channels last, and of nothing else."""
    return len(shape) == 4 and shape[1] == shape[2] >= 4 and shape[3] in (*CHANNELS, 4) and shape[1] != shape[3]


def _native(rows, name):
    if rows.dtype.kind in "OSUV":
        raise FmdiagError(f"{name}: holds {rows.dtype} instead of numbers; save one numeric array of shape (n, ...)")
    if rows.dtype.kind not in "iuf" or rows.dtype.itemsize > 8:
        raise FmdiagError(f"{name}: dtype {rows.dtype} is not supported; convert it to uint8 or float32")
    if rows.dtype.kind == "u" and rows.dtype.itemsize > 1:
        rows = rows.astype({2: np.int32, 4: np.int64}.get(rows.dtype.itemsize, np.float64))
    return rows if rows.dtype.isnative else rows.astype(rows.dtype.newbyteorder("="))


def checked_range(value_range):
    """Return the two values that stand for black and white as floats; None as it is.

    Raises
    ------
    FmdiagError
        If it is not two finite numbers, low < high.
    """
    if value_range is None:
        return None
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError) as error:
        raise FmdiagError(f"value_range must be two numbers, low < high, got {value_range!r}") from error
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise FmdiagError(f"value_range must be two numbers, low < high, got {low:g} and {high:g}")
    return low, high


def channels_first(rows, name):
    """Return pictures as (n, c, h, w): a view, so that a memory map stays on disk."""
    if rows.ndim == 3:
        return rows[:, None]
    if rows.ndim == 4 and rows.shape[1] not in CHANNELS:
        if rows.shape[3] in CHANNELS:
            return rows.transpose(0, 3, 1, 2)
        if rows.dtype == np.uint8 and rows.shape[3] == 4 != rows.shape[1]:
            if any((block[..., 3] < 255).any() for block in _blocks(rows)):
                raise FmdiagError(f"{name}: shape {rows.shape} looks like pictures with transparency; drop the 4th "
                                  "channel")
            return rows[..., :3].transpose(0, 3, 1, 2)
    return rows


def _blocks(rows):
    step = max(1, SCAN_BYTES // max(1, rows[:1].nbytes))
    return read_ahead(rows, [(k, k + step) for k in range(0, len(rows), step)])


def check_values(rows, name, low=-np.inf, high=np.inf, *, exact=True):
    """Refuse NaN, infinity and values outside [low, high], naming the first row that has one; reads in blocks.

    NaN and infinity in a memory map of more than 1 GiB are refused when its rows are first read: a pass over such a
    file takes long. Not `exact`, rows are refused only where most of a block are outside, and none for NaN or infinity.
    """
    ranged = bool(np.isfinite([low, high]).any())
    large = mapping(rows) is not None and rows.nbytes > CHECKED_AT_ONCE
    if not ranged and (not exact or rows.dtype.kind != "f" or large):
        return
    slack = 1e-6 * (high - low) if np.isfinite(high - low) else 0.0
    step = max(1, SCAN_BYTES // max(1, rows[:1].nbytes))
    for start, values in zip(range(0, len(rows), step), _blocks(rows), strict=True):
        values = values.reshape(len(values), -1)
        bad = ~np.isfinite(values).all(1)
        if bad.any() and exact:
            raise FmdiagError(f"{name}: row {start + int(bad.argmax())} holds NaN or infinity; "
                              "remove or mend such rows first")
        values = np.where(bad[:, None], low, values) if bad.any() else values
        if not exact and np.ptp(values) > (high - low) / 10:  # else they are of quite another range
            slack = (high - low) / 4
        outside = (values < low - slack).any(1) | (values > high + slack).any(1)
        if outside.any() and (exact or outside.mean() > 0.5):
            row = int(outside.argmax())
            raise FmdiagError(f"{name}: row {start + row} has values from {values[row].min():g} to "
                              f"{values[row].max():g}, outside the value_range {low:g} to {high:g}")

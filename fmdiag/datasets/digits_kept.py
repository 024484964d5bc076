"""Digits of wide numbers in float32, in which rows are compared: refused where differences are lost."""

import numpy as np

from fmdiag.datasets.memory_mapped import mapping, read_ahead
from fmdiag.datasets.tally import CHECKED_AT_ONCE
from fmdiag.errors import FmdiagError

WIDE = ("int32", "int64", "float64")
SCAN_BYTES = 1 << 23
LOST = 1e-3   # of the greatest span of a coordinate


def check_digits(rows, name):
    """Refuse rows whose values differ by little of what they are: float32 has 24 bits, and keeps the difference's last.

    Memory maps of more than 1 GiB are not looked at: a pass over them takes long.

    Parameters
    ----------
    rows : ndarray, shape (n, *shape)
        As stored.
    name : str
        Source, for messages.

    Raises
    ------
    FmdiagError
        If rounding to float32 moves a value by more than a thousandth of the span of the coordinate that spans most, or
        beyond what float32 holds.
    """
    if rows.dtype.name not in WIDE or (mapping(rows) is not None and rows.nbytes > CHECKED_AT_ONCE):
        return
    step = max(1, SCAN_BYTES // max(1, rows[:1].nbytes))
    low, high, moved = np.inf, -np.inf, 0
    for values in read_ahead(rows, [(k, k + step) for k in range(0, len(rows), step)]):
        values = values.reshape(len(values), -1).astype(np.longdouble)
        low, high = np.minimum(low, values.min(0)), np.maximum(high, values.max(0))
        with np.errstate(over="ignore"):
            moved = max(moved, np.abs(values.astype(np.float32) - values).max())
    span = (high - low).max()
    if moved > LOST * span > 0 or not np.isfinite(moved):
        raise FmdiagError(f"{name}: values from {low.min():.6g} to {high.max():.6g} span at most {span:.6g} in a "
                          f"coordinate, of which float32, in which rows are compared, loses {moved:.3g}: subtract what "
                          "they have in common, and scale them, before saving")

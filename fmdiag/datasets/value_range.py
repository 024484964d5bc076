"""Range of the values of pictures: [-1, 1], as networks see them, or [0, 1], or [0, 255].

Judged by quantiles of rows spread over the set, not by extremes: one stray value says nothing. Vectors and latents have
no expected range.
"""

import numpy as np

from fmdiag.datasets.memory_mapped import take

N_LOOKED_AT = 500       # rows
FEWEST = 8              # with fewer, nothing is said
N_VALUES = 1 << 20
TAIL = 1e-3             # share of values that may lie outside at either end
SLACK = 0.02            # of the width of a range, which resampled or compressed pictures may leave


def looked_at(rows):
    """Return values of rows spread evenly over a stored array, float64, shape (m,)."""
    values = take(rows, np.arange(0, len(rows), max(1, -(-len(rows) // N_LOOKED_AT)))).reshape(-1)
    return values[:: max(1, values.size // N_VALUES)].astype(np.float64)


def range_of(values):
    """Return the range, of [0, 1] and [0, 255], that values fill, else None."""
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    if -SLACK <= low and 0.5 < high <= 1 + SLACK:
        return 0, 1
    return (0, 255) if low >= -255 * SLACK and 40 < high <= 255 * (1 + SLACK) else None


def remarks(stored, rows, name):
    """Return sentences on how an array was read, `rows` being the rows of `stored`: its layout and its range.

    Only floats are remarked upon, as they do not say what they are.
    """
    found = [_layout_remark(stored, rows, name), remark(rows, name)] if rows.dtype.kind == "f" else []
    return tuple(sentence for sentence in found if sentence)


def _layout_remark(stored, rows, name):
    if stored.shape != rows.shape:
        return f"{name}: an array of shape {stored.shape} is read as pictures with channels last"
    if rows.ndim == 4 and rows.shape[3] in (1, 3) and rows.shape[1] not in (1, 3) and min(rows.shape[1:3]) > 4:
        return (f"{name}: rows of shape {rows.shape[1:]} look channels last but are taken as {rows.shape[1]} channels: "
                "store them channels first")
    return None


def remark(rows, name):
    """Return what a user should know of the range of float pictures, channels first, or None where nothing is odd.

    Parameters
    ----------
    rows : ndarray, shape (n, c, h, w) or (n, h, h)
        As stored, taken to be in model range.
    name : str
        The set, for the message.
    """
    pictures = rows.ndim == 4 and rows.shape[1] in (1, 3) or rows.ndim == 3 and rows.shape[1] == rows.shape[2] >= 8
    if rows.dtype.kind != "f" or not pictures or len(rows) < FEWEST:
        return None
    values = looked_at(rows)
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        return None
    found = range_of(values)
    if found is not None:
        low, high = found
        return (f"{name}: pictures with values in [{low}, {high}], taken as they are, where networks for pictures see "
                f"[-1, 1]: if the model did, give --value-range {low},{high}")
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    if high - low > 20 or high - low < 0.05:
        return (f"{name}: pictures with values from {low:.3g} to {high:.3g}, taken as they are, where networks for "
                "pictures see [-1, 1]: if the model did, give the values of black and white, --value-range LOW,HIGH")
    return None


def span_of_integers(rows):
    """Return the least and the greatest of whole numbers, read in blocks; 0 counts as one of them."""
    least, greatest = 0, 0
    step = max(1, (1 << 24) // max(1, rows[:1].nbytes))
    for k in range(0, len(rows), step):
        block = take(rows, np.arange(k, min(len(rows), k + step)))
        least, greatest = min(least, int(block.min())), max(greatest, int(block.max()))
    return least, greatest

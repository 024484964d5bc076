"""What if memory does not suffice? Half as much at a time, said aloud; results differ by rounding only.

Sizes are chosen from what was asked for (--memory) and not from what other programs leave free, on a shared GPU least
of all. So work that is done in pieces is tried again in smaller ones, until they cannot be halved.
"""

import gc
import warnings

import torch

from fmdiag.errors import FmdiagWarning

SAYINGS = ("out of memory", "can't allocate memory", "not enough memory")


def is_out_of_memory(error):
    """Return whether an exception says that memory, a GPU's or the machine's, did not suffice."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in SAYINGS)


def in_pieces(work, n, size, what):
    """Call ``work(slice)`` for consecutive slices of range(n), `size` long; halve it where memory does not suffice.

    Parameters
    ----------
    work : callable
        Must be repeatable: a piece that failed is done again in halves.
    n, size : int
        Number of items, and of items at a time.
    what : str
        What a piece is of, for the warning.

    Returns
    -------
    int
        The size at which it went well, to begin with next time.
    """
    start = 0
    while start < n:
        try:
            work(slice(start, min(n, start + size)))
        except Exception as error:
            if not is_out_of_memory(error) or min(size, n) <= 1:
                raise
            size = halved(min(size, n), what)
            continue
        start += size
    return size


def halved(size, what):
    """Return half of `size`, with a warning that says so, once what failed was let go of."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    size = max(1, size // 2)
    warnings.warn(f"out of memory: going on with {size} {what}", FmdiagWarning, stacklevel=3)
    return size

"""What if memory does not suffice? Half as much at a time, said aloud; results differ by rounding only.

Sizes are chosen from what was asked for (--memory) and not from what other programs leave free, on a shared GPU least
of all. So work that is done in pieces is tried again in smaller ones, until they cannot be halved.
"""

import gc
import re
import warnings

import torch

from fmdiag.errors import FmdiagWarning

# As torch says it where it raises a plain RuntimeError: its allocators, the drivers, the libraries on a GPU.
SAYINGS = re.compile(r"DefaultCPUAllocator: |\b(CUDA|HIP|XPU|MPS)\b.{0,40}\bout of memory|"
                     r"\bCU(BLAS|DNN)_STATUS_ALLOC_FAILED")


def is_out_of_memory(error):
    """Return whether an exception says that memory, a GPU's or the machine's, did not suffice."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and SAYINGS.search(str(error)) is not None


def in_pieces(work, n, size, what, shrink=None):
    """Call ``work(slice)`` for consecutive slices of range(n), `size` long; halve it where memory does not suffice.

    Parameters
    ----------
    work : callable
        Must be repeatable: a piece that failed is done again in halves.
    n, size : int
        Number of items, and of items at a time.
    what : str
        What a piece is of, for the warning.
    shrink : callable, optional
        Called without arguments at each halving, for what else may become smaller.

    Returns
    -------
    int
        The size at which it went well, to begin with next time.
    """
    start, failed = 0, False
    while start < n:
        try:
            work(slice(start, min(n, start + size)))
        except Exception as error:
            if not is_out_of_memory(error) or min(size, n - start) <= 1:
                raise
        else:
            if failed:
                say(size, what)
            start, failed = start + size, False
            continue
        # Only here, where the error and its frames are gone, is what they held free.
        release()
        size, failed = min(size, n - start) // 2, True
        if shrink is not None:
            shrink()
    return size


def release():
    """Give memory that nothing refers to back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def say(size, what):
    """Warn that work goes on with less at a time: once it does, however often it was halved before."""
    warnings.warn(f"out of memory: going on with {size} {what}", FmdiagWarning, stacklevel=3)

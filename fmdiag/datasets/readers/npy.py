"""Rows of a NumPy ``.npy`` file, memory-mapped: only what is touched is read."""

from functools import partial

import numpy as np

from fmdiag.datasets.source import Part
from fmdiag.errors import FmdiagError


def read(path, reading):
    """Return the one part of a ``.npy`` file.

    Raises
    ------
    FmdiagError
        If the file is truncated, is no ``.npy`` file, or holds Python objects.
    """
    return {"all": partial(_part, path)}


def _part(path):
    return Part(load(path))


def load(path):
    """Return the array of a ``.npy`` file, shape as stored, read-only and memory-mapped."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        if "object" in str(error).lower():
            raise FmdiagError(f"{path}: holds Python objects; save one numeric array of shape (n, ...)") from error
        raise FmdiagError(f"{path}: truncated or not a .npy file; copy or save it again") from error

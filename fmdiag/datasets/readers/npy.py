"""Rows of a NumPy ``.npy`` file, memory-mapped: only what is touched is read."""

from functools import partial

from fmdiag.datasets.source import Part
from fmdiag.files.npy import load_npy


def read(path, reading):
    """Return the one part of a ``.npy`` file.

    Raises
    ------
    FmdiagError
        If the file is truncated, is no ``.npy`` file, or holds Python objects.
    """
    return {"all": partial(_part, path)}


def _part(path):
    return Part(load_npy(path, empty=False))

"""Rows of a NumPy ``.npy`` file, memory-mapped: only what is touched is read."""

import os
from functools import partial

import numpy as np

from fmdiag.datasets.readers.array_header import check_length, read_header
from fmdiag.datasets.source import Part


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
    with open(path, "rb") as file:
        header = read_header(file, path)
        check_length(header, os.fstat(file.fileno()).st_size - header.offset, path)
    order = "F" if header.fortran else "C"
    if header.nbytes == 0:
        return np.empty(header.shape, header.dtype)
    return np.memmap(path, header.dtype, "r", header.offset, header.shape, order)

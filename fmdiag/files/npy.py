"""Arrays of ``.npy`` files and streams: what the header promises is compared with the bytes that are there.

NumPy's own reader raises a dozen kinds of errors on damaged headers, and allocates what they ask for.
"""

import io
import math
import os
import warnings
from dataclasses import dataclass

import numpy as np

from fmdiag.errors import FmdiagError
from fmdiag.files.regular import open_regular

READ = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}
LONGEST_HEADER = 10_000  # bytes, as in NumPy


@dataclass(frozen=True)
class Header:
    """Shape, order and dtype of an array, and the bytes before its data."""

    shape: tuple
    fortran: bool
    dtype: np.dtype
    offset: int

    @property
    def nbytes(self):
        """Number of bytes of the data; a Python int, which does not overflow."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(stream, what, kinds="biufc"):
    """Return the Header at the start of a stream, which is left at the first byte of the data.

    Parameters
    ----------
    stream : binary file
        At its start.
    what : str
        File, or file and array, for messages.
    kinds : str
        NumPy's letters of the kinds of dtype that are accepted.

    Raises
    ------
    FmdiagError
        If it is no header, or that of Python objects or of anything but numbers.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks of Python's parser on what a damaged header spells
            shape, fortran, dtype, offset = _read(stream)
    except (OSError, FmdiagError):
        raise
    except Exception as error:
        # A damaged header raises whatever its bytes spell: SyntaxError, TokenError, RecursionError, MemoryError.
        raise FmdiagError(f"{what}: truncated or not a .npy file; copy or save it again") from error
    if dtype.hasobject:
        raise FmdiagError(f"{what}: holds Python objects; save one numeric array of shape (n, ...)")
    if dtype.kind not in kinds:
        raise FmdiagError(f"{what}: holds {str(dtype)[:60]} instead of numbers; save one numeric array of shape "
                          "(n, ...)")
    if len(shape) > 16 or not all(0 <= size < 2**48 for size in shape):
        raise FmdiagError(f"{what}: damaged: no array has shape {shape}; copy or save it again")
    return Header(tuple(map(int, shape)), bool(fortran), dtype, offset)


def _read(stream):
    """Return (shape, whether Fortran's order, dtype, bytes read); no more is read than a header may have."""
    start = _exactly(stream, 8)
    version = (start[6], start[7])
    length = _exactly(stream, LENGTH_BYTES[version])
    n_bytes = int.from_bytes(length, "little")
    if n_bytes > LONGEST_HEADER:
        raise ValueError("a header of that length")
    text = _exactly(stream, n_bytes)
    np.lib.format.read_magic(io.BytesIO(start))
    return *READ[version](io.BytesIO(length + text)), 8 + len(length) + n_bytes


def _exactly(stream, n_bytes):
    data = b""
    while len(data) < n_bytes and (part := stream.read(n_bytes - len(data))):
        data += part
    if len(data) < n_bytes:
        raise ValueError("it ends early")
    return data


def check_length(header, length, what):
    """Raise FmdiagError unless `length` bytes of data are what the header promises."""
    if header.nbytes > length:
        raise FmdiagError(f"{what}: truncated: {length} bytes do not hold shape {header.shape} of {header.dtype}; copy "
                          "or save it again")


def check_numbers(header, what):
    """Raise FmdiagError if an array has no number: its shape may say that it has any number of rows."""
    if header.nbytes == 0:
        raise FmdiagError(f"{what}: has shape {header.shape}, which holds no number; save an array of shape (n, ...) "
                          "with n >= 1")


def load_npy(path, *, empty=True):
    """Return the array of a ``.npy`` file, shape as stored, read-only and memory-mapped.

    Parameters
    ----------
    path : path
        The file.
    empty : bool
        Whether an array without a number is accepted.

    Raises
    ------
    FmdiagError
        If it is no regular file, is truncated, or no ``.npy`` of numbers.
    """
    with open_regular(path) as file:
        header = read_header(file, path)
        check_length(header, os.fstat(file.fileno()).st_size - header.offset, path)
    if not empty:
        check_numbers(header, path)
    order = "F" if header.fortran else "C"
    if header.nbytes == 0:
        return np.empty(header.shape, header.dtype)
    return np.memmap(path, header.dtype, "r", header.offset, header.shape, order)

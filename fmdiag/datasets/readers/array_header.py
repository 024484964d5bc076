"""What does the header of a ``.npy`` stream promise, and can the bytes behind it keep the promise?

NumPy's own reader raises a dozen kinds of errors on damaged headers, and allocates what they ask for.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np

from fmdiag.errors import FmdiagError

READ = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


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


def read_header(stream, what):
    """Return the Header at the start of a stream, which is left at the first byte of the data.

    Parameters
    ----------
    stream : binary file
        At its start.
    what : str
        File, or file and array, for messages.

    Raises
    ------
    FmdiagError
        If it is no header, or that of Python objects or of anything but numbers.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks of Python's parser on what a damaged header spells
            shape, fortran, dtype = READ[np.lib.format.read_magic(stream)](stream)
    except OSError:
        raise
    except Exception as error:
        # A damaged header raises whatever its bytes spell: SyntaxError, TokenError, RecursionError, MemoryError.
        raise FmdiagError(f"{what}: truncated or not a .npy file; copy or save it again") from error
    if dtype.hasobject:
        raise FmdiagError(f"{what}: holds Python objects; save one numeric array of shape (n, ...)")
    if dtype.kind not in "biufc":
        raise FmdiagError(f"{what}: holds {str(dtype)[:60]} instead of numbers; save one numeric array of shape "
                          "(n, ...)")
    if len(shape) > 16 or not all(0 <= size < 2**48 for size in shape):
        raise FmdiagError(f"{what}: damaged: no array has shape {shape}; copy or save it again")
    return Header(tuple(map(int, shape)), bool(fortran), dtype, stream.tell())


def check_length(header, length, what):
    """Raise FmdiagError unless `length` bytes of data are what the header promises."""
    if header.nbytes > length:
        raise FmdiagError(f"{what}: truncated: {length} bytes do not hold shape {header.shape} of {header.dtype}; copy "
                          "or save it again")

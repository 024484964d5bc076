"""Rows of a NumPy ``.npz`` archive; which array is which: `keys`."""

import zipfile
import zlib
from functools import partial

import numpy as np

from fmdiag.datasets.readers import keys
from fmdiag.errors import FmdiagError


def read(path, reading):
    """Return the parts of a ``.npz`` file.

    Raises
    ------
    FmdiagError
        If the archive is damaged, holds Python objects, or no array is recognisably the rows.
    """
    return keys.parts(_names(path), partial(_load, path), path)


def _names(path):
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return list(arrays.files)
    except (zipfile.BadZipFile, EOFError, ValueError, AttributeError) as error:
        raise FmdiagError(f"{path}: truncated or not a .npz file; copy or save it again") from error


def _load(path, name):
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return arrays[name]
    except ValueError as error:
        raise FmdiagError(f"{path}: array {name} is damaged or holds Python objects; save numbers only") from error
    except (zipfile.BadZipFile, EOFError, zlib.error, OSError) as error:
        raise FmdiagError(f"{path}: array {name} is truncated or damaged ({error}); copy or save it again") from error

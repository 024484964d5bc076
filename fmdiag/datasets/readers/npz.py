"""Rows of a NumPy ``.npz`` archive; which array is which: `keys`."""

import contextlib
import zipfile
from functools import partial

import numpy as np

from fmdiag.datasets.readers import keys
from fmdiag.datasets.readers.array_header import check_length, read_header
from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import check_unpacked

CHUNK = 1 << 22


def read(path, reading):
    """Return the parts of a ``.npz`` file.

    Raises
    ------
    FmdiagError
        If the archive is damaged, holds Python objects, or no array is recognisably the rows.
    """
    return keys.parts(_names(path), partial(_load, path), path)


def _names(path):
    with _damage(path, "truncated or not a .npz file"), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def _load(path, name):
    what = f"{path}: array {name}"
    with _damage(path, f"array {name} is truncated or damaged"), zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        info = archive.getinfo(name if name in names else f"{name}.npy")
        # Stored bytes cannot be fewer than they are, and nothing is allocated before the archive was seen to hold it.
        check_unpacked(what, info.file_size, min(info.compress_size, path.stat().st_size))
        with archive.open(info) as stream:
            header = read_header(stream, what)
            check_length(header, info.file_size - header.offset, what)
            return _filled(stream, header, what)


def _filled(stream, header, what):
    data = np.empty(header.nbytes, np.uint8)
    left = memoryview(data)
    while len(left):
        got = stream.readinto(left[:CHUNK])
        if not got:
            raise FmdiagError(f"{what}: truncated; copy or save it again")
        left = left[got:]
    stream.read()  # to the end, where the checksum is
    return data.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")


@contextlib.contextmanager
def _damage(path, what):
    """Turn what zipfile raises on damaged archives, nearly anything, into one line."""
    try:
        yield
    except (FmdiagError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise FmdiagError(f"{path}: {what} ({error}); copy or save it again") from error

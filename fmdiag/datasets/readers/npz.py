"""Rows of a NumPy ``.npz`` archive; which array is which: `keys`.

Arrays that take much memory are unpacked into the cache once and mapped.
"""

from functools import partial

from fmdiag.datasets.cache import cached_from
from fmdiag.datasets.readers import keys
from fmdiag.datasets.source_files import SourceFiles
from fmdiag.files.npy import check_numbers, load_npy
from fmdiag.files.npz import Npz

HELD = 1 << 27  # bytes of an array that is kept in memory


def read(path, reading):
    """Return the parts of a ``.npz`` file.

    Raises
    ------
    FmdiagError
        If the archive is damaged, holds Python objects, or no array is recognisably the rows.
    """
    with Npz(path) as archive:
        names = list(archive.members)
    return keys.parts(names, partial(_load, path, reading), path, partial(_column, path))


def _load(path, reading, name):
    with Npz(path) as archive:
        header = archive.header(name)
        check_numbers(header, f"{path}: array {name}")
        if header.nbytes <= HELD:
            return archive.load(name)
        files = SourceFiles.of([path], verify=reading.verify)
        entry = cached_from(files, reading.cache, ("npz", 1, name),
                            lambda folder: archive.copy(name, folder / "array.npy"))
    return load_npy(entry / "array.npy")


def _column(path, name):
    """Return an array of numbers or text beside the rows."""
    with Npz(path) as archive:
        return archive.load(name, "biufUS")

"""Arrays of a ``.npz`` archive, unpacked within bounds; Python objects are refused."""

import numpy as np

from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import AT_ONCE, fill
from fmdiag.files.npy import check_length, read_header
from fmdiag.files.zip_directory import ZipMember
from fmdiag.files.zips import Zip

NUMBERS, PLAIN = "biufc", "biufcUSmM"   # kinds of dtype: of rows, and of what fmdiag keeps itself


class Npz:
    """A ``.npz`` archive, opened; a context manager.

    Parameters
    ----------
    path : path
        The file.
    ratio : int, optional
        Bytes that it may become for each of its own, where it is large.

    Raises
    ------
    FmdiagError
        If it is no regular file or no zip, and from every method if it is damaged or becomes too much.
    """

    def __init__(self, path, *, ratio=None):
        self.path, self.zip = path, Zip(path, ".npz file", ratio=ratio)
        self.members: dict[str, ZipMember] = {}

    def __enter__(self):
        try:
            self.members = {name.removesuffix(".npy"): member for name, member in self.zip.by_name().items()}
        except BaseException:
            self.zip.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self.zip.__exit__()

    def header(self, name):
        """Return the Header of an array.

        Raises
        ------
        FmdiagError
            If it holds anything but numbers.
        """
        with self.zip.open(self.members[name]) as stream:
            return read_header(stream, self._what(name))

    def load(self, name, kinds=NUMBERS):
        """Return an array, in memory.

        Raises
        ------
        FmdiagError
            If it is truncated, damaged or of another kind.
        """
        with self.zip.open(self.members[name]) as stream:
            header = read_header(stream, self._what(name), kinds)
            check_length(header, self.members[name].size - header.offset, self._what(name))
            data = np.empty(header.nbytes, np.uint8)
            fill(stream, data, self._what(name))
            stream.finish()
        return data.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")

    def copy(self, name, path):
        """Write an array to a ``.npy`` file, a part at a time."""
        with self.zip.open(self.members[name]) as stream, open(path, "wb") as file:
            while part := stream.read(AT_ONCE):
                file.write(part)

    def _what(self, name):
        return f"{self.path}: array {name}"


def read_npz(path, names=None, *, kinds=PLAIN, ratio=None):
    """Return arrays of a ``.npz`` file as a dict; all of them, or those named.

    Raises
    ------
    FmdiagError
        If the file is damaged, an array is missing, or one holds Python objects.
    """
    with Npz(path, ratio=ratio) as archive:
        names = list(archive.members) if names is None else names
        missing = [name for name in names if name not in archive.members]
        if missing:
            raise FmdiagError(f"{path} has no array {' and '.join(missing)}: save it with numpy.savez(file, "
                              f"{', '.join(f'{name}=...' for name in names)})")
        return {name: archive.load(name, kinds) for name in names}

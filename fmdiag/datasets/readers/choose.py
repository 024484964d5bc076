"""Which reader reads this file or folder?"""

from pathlib import Path

from fmdiag.datasets.readers import idx, npy
from fmdiag.errors import FmdiagError

READERS = {".npy": npy.read}


def read(path, reading):
    """Return the parts of a file or folder."""
    path = Path(path)
    if path.suffix in READERS:
        return READERS[path.suffix](path, reading)
    if path.is_dir() and idx.is_folder(path) or "-ubyte" in path.name:
        return idx.read(path, reading)
    raise FmdiagError(f"{path}: no reader for this")

"""Choice of the reader of a file or folder."""

from pathlib import Path

from fmdiag.datasets.extract import is_archive, unpacked
from fmdiag.datasets.readers import (
    arrow,
    folder,
    idx,
    images,
    metadata,
    npy,
    npz,
    parquet,
    picture_archive,
    pt,
    safetensors,
)
from fmdiag.errors import FmdiagError
from fmdiag.files.regular import check_regular, readable

READERS = {".npy": npy.read, ".npz": npz.read, ".pt": pt.read, ".pth": pt.read, ".safetensors": safetensors.read,
           ".parquet": parquet.read, ".arrow": arrow.read, ".idx": idx.read, ".ubyte": idx.read}


def read(path, reading):
    """Return the parts of a file or folder, see `fmdiag.datasets.source`.

    Raises
    ------
    FmdiagError
        If no reader knows the file's suffix, its reader refuses it, or the system does.
    """
    path = Path(path)
    with readable(path):
        parts = folder.read(path, reading, read_file) if path.is_dir() else read_file(path, reading)
    if parts is None:
        raise FmdiagError(f"{path}: no reader for this file; give a folder of pictures or a file of type "
                          f"{', '.join(READERS)}, .gz of idx, .zip, .tar, .tar.gz or .tgz")
    return parts


def read_file(path, reading):
    """Return the parts of a file, or None where no reader knows its name; pipes and devices are refused."""
    check_regular(path, "data set")
    name = path.name.lower()
    if is_archive(name):
        if path.absolute().is_relative_to(reading.cache.absolute()):
            # One that holds itself would be unpacked for ever.
            raise FmdiagError(f"{path}: an archive within an archive: unpack the outer one yourself")
        in_place = picture_archive.read(path, reading, _is_read)
        return in_place or folder.read(unpacked(path, reading.cache, _is_read, reading.verify), reading, read_file)
    if path.suffix.lower() in READERS:
        return READERS[path.suffix.lower()](path, reading)
    if "-ubyte" in name or name.endswith(".idx.gz"):
        return idx.read(path, reading)
    return None


def _is_read(name):
    """Whether a file's name in an archive is one that a reader looks at."""
    name = name.rpartition("/")[2].lower()
    return (images.is_picture(name) or is_archive(name) or Path(name).suffix in READERS or "-ubyte" in name
            or name.endswith(".idx.gz") or name in ("data_batch_1", metadata.NAME))

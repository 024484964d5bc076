"""Rows of a folder of tar shards as WebDataset has them: members ``KEY.jpg`` and ``KEY.cls`` follow one another.

The shards are read in order of their names, without being unpacked; of a key with several pictures the first counts.
"""

from functools import partial
from pathlib import Path

import numpy as np

from fmdiag.datasets.decoded import decoded_rows
from fmdiag.datasets.readers.images import is_picture
from fmdiag.datasets.readers.shards import by_part
from fmdiag.datasets.source import Part
from fmdiag.datasets.source_files import SourceFiles
from fmdiag.errors import FmdiagError
from fmdiag.files.tars import tar_members

LARGEST = 1 << 28       # bytes of one encoded picture
LONGEST_LABEL = 32


def shards(folder):
    """Return the tar files of a folder, sorted."""
    return sorted(path for path in Path(folder).glob("*.tar") if path.is_file())


def read(folder, reading):
    """Return the parts of a folder of shards.

    Raises
    ------
    FmdiagError
        If a shard is damaged, or none holds a picture.
    """
    folder = Path(folder)
    return {part: partial(_part, files, folder, reading) for part, files in by_part(shards(folder)).items()}


def _part(files, folder, reading):
    keys = [key for file in files for key, member in _pictures(file)]
    if not keys:
        raise FmdiagError(f"{folder}: {len(files)} tar files without pictures; save the arrays in them as .npy or .npz")
    rows, kept, n_turned = decoded_rows(lambda: _encoded(files), SourceFiles.of(files, folder, reading.verify),
                                        ("webdataset", 2), reading, name=str(folder))
    return Part(rows, _labels(files, keys, kept), n_turned=n_turned,
                files=lambda: [keys[k][1].removeprefix("./").lstrip("/") for k in kept])


def _pictures(file):
    """Yield (key, member) of the first picture of every key."""
    before = None
    for member in tar_members(file):
        folder, _, name = member.name.rpartition("/")
        key = f"{folder}/{name.partition('.')[0]}"
        if member.kind == "file" and is_picture(name) and key != before:
            before = key
            yield (file.name, key), member


def _encoded(files):
    """Yield (label for messages, bytes) of every picture."""
    for file in files:
        for (_, key), member in _pictures(file):
            yield f"{file}: {key.lstrip('/')}", _whole(member) if member.size <= LARGEST else b""


def _whole(member):
    parts = []
    while part := member.read(1 << 20):
        parts.append(part)
    return b"".join(parts)


def _labels(files, keys, kept):
    """Return the numbers in the members KEY.cls, shape (n,), or None unless every picture has one."""
    found = {}
    for file in files:
        for member in tar_members(file):
            folder, _, name = member.name.rpartition("/")
            key, _, suffix = name.partition(".")
            if member.kind == "file" and suffix == "cls" and member.size <= LONGEST_LABEL:
                found[file.name, f"{folder}/{key}"] = _whole(member).strip()
    values = [found.get(keys[k], b"") for k in kept]
    return np.array([int(value) for value in values], np.int64) if all(v.isdigit() for v in values) else None

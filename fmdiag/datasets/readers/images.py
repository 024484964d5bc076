"""Rows of a folder of pictures, nested to any depth, in sorted order of their paths.

If every picture lies in a subfolder, the first level of subfolders is the class. Hidden files and files that are no
pictures by their suffix are ignored; decoded pixels are kept in the cache.
"""

import os
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from fmdiag.datasets.decoded import decoded_rows
from fmdiag.datasets.pictures import NOT_PICTURES
from fmdiag.datasets.readers import metadata
from fmdiag.datasets.source import Part
from fmdiag.datasets.source_files import SourceFiles, packed, settled
from fmdiag.errors import FmdiagError


def read(folder, reading):
    """Return the one part of a folder of pictures."""
    return {"all": partial(_part, Path(folder), reading)}


def _part(folder, reading):
    files = picture_files(folder, reading.verify)
    if not len(files):
        raise FmdiagError(f"{folder}: no pictures here; give a folder of pictures (any format that Pillow reads), or a "
                          "file: npy, npz, pt, safetensors, idx, Parquet, zip, tar")
    rows, kept, n_turned = decode_files(files, reading)
    labels = class_labels(files.names)
    shown = partial(paths, files, kept)
    return Part(rows, None if labels is None else labels[kept], n_turned=n_turned, files=shown,
                columns=partial(metadata.columns, folder, shown))


def paths(files, kept):
    """Return the paths of the pictures that could be read, below the folder of SourceFiles, with slashes."""
    return [files.names[k].replace(os.sep, "/") for k in kept]


def decode_files(files, reading):
    """Return (rows, kept, n_turned) of SourceFiles that are pictures; see `decoded.decoded_rows`."""
    def pictures():
        return ((path, path) for path in map(files.path, range(len(files))))

    return decoded_rows(pictures, files, ("pictures", 4), reading, one_each=True)


def class_labels(names):
    """Return the class of each file, shape (n,), numbered in sorted order of the subfolders, or None without them."""
    tops = [name.partition(os.sep)[0] if os.sep in name else None for name in names]
    if None in tops:
        return None
    found, labels = np.unique(tops, return_inverse=True)
    return labels.astype(np.int64) if len(found) > 1 else None


def picture_files(folder, verify=False):
    """Return the pictures below `folder` as SourceFiles, in sorted order; linked folders are entered once.

    Raises
    ------
    FmdiagError
        If a file cannot be looked at: a link that leads nowhere, a folder that may not be read.
    """
    found = sorted(_pictures(os.fspath(folder), (), set()))
    names, facts = [os.sep.join(parts) for parts, _ in found], [fact for _, fact in found]
    return settled(SourceFiles(os.fspath(folder), names, facts, verify))


def _pictures(folder, above, entered):
    """Yield (parts of the path, packed facts) of every picture: one look at each file."""
    folders = []
    try:
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in entered:
            return
        entered.add((here.st_dev, here.st_ino))
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    if not entry.name.startswith((".", "__MACOSX")):
                        folders.append(entry)
                elif is_picture(entry.name):
                    yield (*above, entry.name), packed(entry.stat())
    except OSError as error:
        raise FmdiagError(f"{error.filename}: cannot be read ({error.strerror}): mend or remove it") from error
    for entry in sorted(folders, key=lambda entry: entry.name):
        yield from _pictures(entry.path, (*above, entry.name), entered)


def is_picture(name):
    """Whether a file name has the suffix of a picture and is not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in _suffixes()


@cache
def _suffixes():
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in known.items() if kind in Image.OPEN and kind not in NOT_PICTURES)

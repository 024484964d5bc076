"""Rows of a folder of pictures, nested to any depth, in sorted order of their paths.

If every picture lies in a subfolder, the first level of subfolders is the class. Hidden files and files that are no
pictures by their suffix are ignored; decoded pixels are kept in the cache.
"""

import os
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from fmdiag.datasets.cache import content_key, file_facts
from fmdiag.datasets.decoded import decoded_rows
from fmdiag.datasets.pictures import NOT_PICTURES
from fmdiag.datasets.source import Part
from fmdiag.errors import FmdiagError


def read(folder, reading):
    """Return the one part of a folder of pictures."""
    return {"all": partial(_part, Path(folder), reading)}


def _part(folder, reading):
    files = picture_files(folder)
    if not files:
        raise FmdiagError(f"{folder}: no pictures here; give a folder of pictures (any format that Pillow reads), or a "
                          "file: npy, npz, pt, safetensors, idx, Parquet, zip, tar")
    rows, kept = decode_files(files, folder, reading)
    labels = class_labels(files, folder)
    return Part(rows, None if labels is None else labels[kept])


def decode_files(files, folder, reading):
    """Return (rows, kept) of picture files below `folder`; see `decoded.decoded_rows`."""
    try:
        facts = [file_facts(path, folder) for path in files]
    except OSError as error:
        raise FmdiagError(f"{error.filename}: cannot be read ({error.strerror}): mend or remove it") from error
    key = content_key("pictures", 1, facts, reading.size, reading.skip_bad)
    return decoded_rows(lambda: ((str(path), path) for path in files), size=reading.size, skip_bad=reading.skip_bad,
                        cache=reading.cache, key=key, name=str(folder))


def class_labels(files, folder):
    """Return the class of each file, shape (n,), numbered in sorted order of the subfolders, or None without them."""
    tops = [path.relative_to(folder).parts[:-1][:1] for path in files]
    if not all(tops):
        return None
    names, labels = np.unique([top[0] for top in tops], return_inverse=True)
    return labels.astype(np.int64) if len(names) > 1 else None


def picture_files(folder):
    """Return the pictures below `folder` as a sorted list of paths; linked folders are entered once."""
    found, entered = [], set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        found += [Path(here, name) for name in files if is_picture(name)]
    return sorted(found)


def is_picture(name):
    """Whether a file name has the suffix of a picture and is not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in _suffixes()


@cache
def _suffixes():
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in known.items() if kind in Image.OPEN and kind not in NOT_PICTURES)

"""Rows of IDX files, the format of MNIST and Fashion-MNIST, plain or gzipped.

Header: two zero bytes, a type code, the number of axes, then each axis as a big-endian uint32; the data follow in C
order (LeCun, Cortes, Burges, "The MNIST database"). Beside ``train-images-idx3-ubyte`` the reader looks for
``train-labels-idx1-ubyte`` and for the pair that begins with ``t10k`` (or ``test``), which is the test part.
"""

import math
from functools import partial
from pathlib import Path

import numpy as np

from fmdiag.datasets.source import Part
from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import AT_ONCE, open_unpacked
from fmdiag.files.regular import check_regular

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read(path, reading):
    """Return the parts of an IDX file or of a folder of them."""
    path = Path(path)
    if path.is_dir():
        return read_folder(path)
    return {"all": partial(_part, path)}


def read_folder(folder):
    """Return the train and test parts of a folder with MNIST's four file names, each plain or ``.gz``."""
    found = {split: _images(folder, prefixes) for split, prefixes in (("train", ["train"]), ("test", ["t10k", "test"]))}
    return {split: partial(_part, path) for split, path in found.items() if path}


def is_folder(folder):
    """Whether a folder holds MNIST's training images."""
    return _images(folder, ["train"]) is not None


def _images(folder, prefixes):
    for prefix in prefixes:
        for path in sorted(Path(folder).glob(f"{prefix}-images*idx3-ubyte*")):
            return path
    return None


def _part(path):
    rows, labels = load(path), None
    beside = path.with_name(path.name.replace("-images", "-labels").replace("idx3", "idx1"))
    if beside != path and beside.is_file():
        labels = load(beside).astype(np.int64)
    return Part(rows, labels)


def load(path):
    """Return the array of an IDX file in native byte order.

    Raises
    ------
    FmdiagError
        If the file is truncated or no IDX file.
    """
    content = _bytes(path)
    if len(content) < 4 or content[:2].any() or content[2] not in TYPES or content[3] == 0:
        raise FmdiagError(f"{path}: not an IDX file (it begins with {content[:4].tobytes().hex(' ') or 'nothing'})")
    dtype, n_axes = np.dtype(TYPES[content[2]]), int(content[3])
    start = 4 + 4 * n_axes
    shape = tuple(content[4:start].view(">u4").tolist()) if len(content) >= start else (-1,)
    if len(content) != start + dtype.itemsize * math.prod(shape):
        raise FmdiagError(f"{path}: truncated: {len(content)} bytes do not fit its header {shape}; fetch it again")
    return content[start:].view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _bytes(path):
    """Return the content as uint8, shape (n,): memory-mapped unless it is compressed."""
    if check_regular(path, "IDX file").st_size == 0:
        return np.empty(0, np.uint8)
    if not path.name.endswith(".gz"):
        return np.memmap(path, np.uint8, mode="r")
    content = bytearray()
    with open_unpacked(path, "IDX file") as stream:
        while part := stream.read(AT_ONCE):
            content += part
    return np.frombuffer(content, np.uint8)

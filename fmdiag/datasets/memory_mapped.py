"""Memory-mapped rows, read without the whole file becoming resident.

Pages of a map that were touched count as resident until they are given back, so that one pass over a map holds the
whole file. Here rows are read from the map's file at their offset, into memory of their own; where that cannot be (the
file has lost its name, the rows are no contiguous stretch of it) they are copied from the map and its pages given back.
A file that changes or shrinks while it is read, and a disk that fails, end the reading with an error that names it.
"""

import mmap
import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from fmdiag.errors import FmdiagError

_FILES = weakref.WeakKeyDictionary()   # of each map: an open file descriptor, or None where the map itself is read
_STATES = weakref.WeakKeyDictionary()  # of each map: size and time of change of its file when it was first read


def mapping(rows):
    """Return the mmap that an array's data lie in; None for arrays in memory and for maps with changes of their own."""
    root = _root(rows)
    if not isinstance(root, np.memmap) or root.mode not in ("r", "r+"):
        return None
    return root.base if isinstance(root.base, mmap.mmap) else None


def read(rows, start, stop):
    """Return a copy of rows[start:stop], an ndarray in memory; nothing of a memory map stays resident."""
    mapped = mapping(rows)
    if mapped is None:
        return np.array(rows[start:stop])
    file = _file(mapped, rows)
    if file is None or not rows.flags.c_contiguous:
        block = np.array(rows[start:stop], order="C")
        _give_back(mapped)
        return block
    block = np.empty((max(0, min(stop, len(rows)) - start), *rows.shape[1:]), rows.dtype)
    with _named(mapped, rows, file):
        _fill(file, block, _position(mapped, rows) + start * rows.strides[0])
    return block


def take(rows, numbers):
    """Return copies of the rows with these numbers, an ndarray in memory; in file order where they come from a file."""
    mapped = mapping(rows)
    if mapped is None:
        return rows[numbers]
    file = _file(mapped, rows)
    if file is None or not rows.flags.c_contiguous:
        block = np.array(rows[numbers], order="C")
        _give_back(mapped)
        return block
    block = np.empty((len(numbers), *rows.shape[1:]), rows.dtype)
    start = _position(mapped, rows)
    with _named(mapped, rows, file):
        for k in np.argsort(numbers, kind="stable"):
            _fill(file, block[k : k + 1], start + int(numbers[k]) * rows.strides[0])
    return block


def read_ahead(rows, spans):
    """Yield a copy of rows[start:stop] for each (start, stop) of a list; of a memory map the next is read meanwhile."""
    if mapping(rows) is None:
        yield from (read(rows, *span) for span in spans)
        return
    with ThreadPoolExecutor(1) as reader:
        waiting = None
        for span in spans:
            block, waiting = waiting, reader.submit(read, rows, *span)
            if block is not None:
                yield block.result()
        if waiting is not None:
            yield waiting.result()


@contextmanager
def _named(mapped, rows, file):
    """Raise FmdiagError with the file's name where reading it fails, or it is not what it was at first."""
    name = _root(rows).filename
    try:
        yield
    except OSError as error:
        raise FmdiagError(f"{name}: reading it failed ({error.strerror or error}); give a whole copy of the file, on a "
                          "disk without errors") from error
    before, now = _STATES[mapped], _state(file)
    if _root(rows).mode == "r" and before != now:
        how = "cut short" if now[0] < before[0] else "changed"
        raise FmdiagError(f"{name}: the file was {how} while it was read; run again once nothing writes to it")


def _state(file):
    found = os.fstat(file)
    return found.st_size, found.st_mtime_ns


def _root(rows):
    """Return the array that holds the map itself: it alone knows its offset in the file."""
    while isinstance(rows.base, np.ndarray):
        rows = rows.base
    return rows


def _position(mapped, rows):
    """Return where in the file the first row begins."""
    inside = rows.__array_interface__["data"][0] - np.frombuffer(mapped, np.uint8).__array_interface__["data"][0]
    offset = _root(rows).offset
    return inside + offset - offset % mmap.ALLOCATIONGRANULARITY


def _file(mapped, rows):
    """Return a descriptor of the map's file, opened once, or None where it has no name or another content by now."""
    if mapped not in _FILES:
        _FILES[mapped] = _open(mapped, rows)
    return _FILES[mapped]


def _open(mapped, rows):
    name = _root(rows).filename
    if name is None or not hasattr(os, "preadv") or not rows.flags.c_contiguous:
        return None
    try:
        file = os.open(name, os.O_RDONLY)
    except OSError:
        return None
    if not _same_row(file, rows, _position(mapped, rows)):
        os.close(file)
        return None
    weakref.finalize(mapped, os.close, file)
    _STATES[mapped] = _state(file)
    return file


def _same_row(file, rows, position):
    """Whether the file still begins with the map's first row."""
    row = np.empty(rows[:1].shape, rows.dtype)
    try:
        _fill(file, row, position)
    except OSError:
        return False
    return row.tobytes() == rows[:1].tobytes()


def _fill(file, block, position):
    """Fill a contiguous array from a position of the file."""
    view = memoryview(block.reshape(-1).view(np.uint8))
    while len(view):
        got = os.preadv(file, [view], position)
        if not got:
            raise OSError("it ends before its rows do, cut short while it was read")
        view, position = view[got:], position + got


def _give_back(mapped):
    """Let the map's pages go; they stay in the system's cache."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)

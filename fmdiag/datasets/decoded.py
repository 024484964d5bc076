"""Decoded pictures: many files as one array that is made once and memory-mapped ever after.

Every picture is opened once. What was decoded before an interruption, or before a picture that cannot be read, is kept
(see `unfinished`): the next call goes on from there.
"""

import contextlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from fmdiag.datasets.cache import CacheError, content_key, writing_to
from fmdiag.datasets.decoding import Decoder
from fmdiag.datasets.pictures import BadPictureError, strict_decoding
from fmdiag.datasets.progress import DecodingProgress
from fmdiag.datasets.source import Reading
from fmdiag.datasets.source_files import SourceFiles
from fmdiag.datasets.unfinished import SKIPPED, UnfinishedRows, first_skipped
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.files.bounded import FREE, RATIO
from fmdiag.files.lock import claim
from fmdiag.files.npy import load_npy
from fmdiag.files.store import Store

LOG = logging.getLogger(__name__)
PART = 2048               # pictures that are decoded again at most after an interruption, a chunk more
DECODED_FREE = 1 << 32    # pixels' values that any set may have before they are resampled
NAMED_AT_MOST = 5
SHOWN_EVERY = 64          # pictures
ATTEMPTS = 20             # to take a lock whose file goes with its last owner
_LISTS: ContextVar[dict | None] = ContextVar("fmdiag_lists_of_skipped_pictures", default=None)


@contextlib.contextmanager
def lists_of_skipped():
    """Yield a dict that holds, at the end, of every set read within the context whose pictures were left out the table.

    Name of the set -> (number of pictures, path of the table: columns position, picture and reason).
    """
    lists: dict = {}
    token = _LISTS.set(lists)
    try:
        yield lists
    finally:
        _LISTS.reset(token)


class _UselessError(FmdiagError):
    """Raised where what was decoded so far is of no use to a later call."""


@dataclass(frozen=True)
class Work:
    """What is to be decoded: arguments of `decoded_rows`, and the folder in which it is done."""

    pictures: Callable
    files: SourceFiles
    reading: Reading
    name: str
    one_each: bool
    folder: Path

    def part_files(self, k):
        """Return the SourceFiles that the k-th part of the pictures is made from."""
        return self.files.some(k * PART, (k + 1) * PART) if self.one_each else self.files

    def part_key(self, k):
        """Return a hash of what the k-th part is made from."""
        return content_key(k, self.part_files(k).status_key())


def decoded_rows(pictures, files, kind, reading, name=None, *, one_each=False):
    """Return (rows, kept, n_turned): the pictures as uint8, which of them could be read, and how many were turned.

    Parameters
    ----------
    pictures : callable
        Returns an iterable of (label, source): a name for messages, and a path or bytes.
    files : SourceFiles
        The files that hold them.
    kind : tuple
        What else than `reading` decides the pictures; part of the entry's name in the cache.
    reading : Reading
        `size`, the side of the square wanted (None needs pictures of one size); `skip_bad`, whether to leave out
        unreadable pictures with a warning instead of refusing; `orientation`; `cache`, where decoded pictures are kept.
    name : str, optional
        The whole set, for messages; default the folder of the files.
    one_each : bool
        Whether the files are the pictures, in their order: parts of which no file has changed stay.

    Returns
    -------
    rows : ndarray of uint8, shape (n, c, h, w)
        Memory-mapped, read-only.
    kept : ndarray of int64, shape (n,)
        Positions among `pictures`.
    n_turned : int
        Pictures whose EXIF orientation is another than the stored one, whether they were turned or not.

    Raises
    ------
    FmdiagError
        If a picture is unreadable and `skip_bad` is not set, if sizes differ and no size is given, if none is left, if
        few bytes become very many, or if a file changed while it was read.
    """
    name = files.root if name is None else name
    key = content_key(*kind, reading.size, reading.skip_bad, reading.orientation, files.key())
    place = content_key("unfinished", *kind, reading.size, reading.orientation, os.path.abspath(files.root),
                        () if one_each else tuple(files.names))
    folder = reading.cache / f".{place}.unfinished"
    entry = _entry(Work(pictures, files, reading, name, one_each, folder), key)
    counts = json.loads((entry / "counts.json").read_text())
    if counts["n_bad"]:
        if (lists := _LISTS.get()) is not None:
            lists[str(name)] = counts["n_bad"], entry / SKIPPED
        bad = first_skipped(entry, NAMED_AT_MOST)
        more = f" and {counts['n_bad'] - len(bad)} more" if counts["n_bad"] > len(bad) else ""
        warnings.warn(f"{name}: left out {counts['n_bad']} unreadable: {'; '.join(bad)}{more}; all are listed in "
                      f"{entry / SKIPPED}", FmdiagWarning, stacklevel=2)
    return load_npy(entry / "rows.npy"), np.array(load_npy(entry / "kept.npy")), counts["n_turned"]


def _entry(work, key):
    """Return the folder of the decoded pictures in the cache; it is made if there is none yet."""
    store = Store(work.reading.cache, record=None)
    if store.find(key) is None:
        with writing_to(work.reading.cache), _locked(work.folder):
            if store.find(key) is None:   # nobody has made it meanwhile
                with _kept_if_useful(work.folder):
                    store.add(key, lambda folder: _build(work, folder))
                LOG.info("decoded %s once; later runs read the decoded copy", work.name)
            _remove(work.folder)
    return store.path(key)


@contextlib.contextmanager
def _locked(folder):
    """Hold the lock of a folder, which is made if it is missing; wait for others that decode the same pictures."""
    for _ in range(ATTEMPTS):
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(claim(folder / "lock", wait=True))
            except FileNotFoundError:   # the folder went with its last owner
                continue
            if (folder / "lock").exists():
                yield
                return
    raise FmdiagError(f"{folder}: other processes keep removing it: give the command again when they have ended")


@contextlib.contextmanager
def _kept_if_useful(folder):
    """Remove the unfinished rows after errors that a later call would meet again, or if no part is finished."""
    try:
        yield
    except (_UselessError, OSError, CacheError):
        _remove(folder)
        raise
    except BaseException:
        if not (folder / "state.json").exists():
            _remove(folder)
        raise


def _remove(folder):
    with contextlib.suppress(FileNotFoundError):
        retired = tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}.", suffix=".partial")
        os.replace(folder, retired)
        shutil.rmtree(retired, ignore_errors=True)


def _build(work, folder):
    if work.reading.verify:   # what is known of unfinished parts is names and times, which verifying does not trust
        (work.folder / "state.json").unlink(missing_ok=True)
    rows = UnfinishedRows(work.folder, work.part_key, work.reading.skip_bad)
    try:
        _decode(work, rows)
        if not rows.n_rows:
            raise FmdiagError(f"{work.name}: no readable picture" + (
                f": {rows.n_bad} were left out, listed in {work.folder / SKIPPED}" if rows.n_parts else ""))
        rows.publish(folder)
    finally:
        rows.close()


def _decode(work, rows):
    """Decode what is not decoded yet, part by part."""
    first = rows.n_parts * PART
    total = len(work.files) if work.one_each else None
    if first:
        LOG.info("%s: goes on after the first %d pictures, decoded earlier", work.name, first)
    numbered = islice(((k, *one) for k, one in enumerate(work.pictures())), first, None)
    upright, shape = work.reading.orientation == "upright", rows.shape and rows.shape[1:]
    k = first - 1
    with strict_decoding(), Decoder(work.reading.size, upright, shape) as decoder, \
            DecodingProgress(work.name, total) as show:
        for k, label, outcome in decoder.in_order(numbered):
            _take(work, rows, k, label, outcome)
            if (k + 1) % SHOWN_EVERY == 0:
                show(k + 1)
            if (k + 1) % PART == 0:
                _end_part(work, rows)
        if (k + 1) % PART:
            _end_part(work, rows)


def _end_part(work, rows):
    work.part_files(rows.n_parts).check_unchanged()
    rows.end_part(work.part_key(rows.n_parts))


def _take(work, rows, k, label, outcome):
    """Add one picture to the rows, or to the table of those left out."""
    if isinstance(outcome, BadPictureError):
        if not work.reading.skip_bad:  # else the end of the part looks at all its files once
            work.part_files(rows.n_parts).check_unchanged()
            raise FmdiagError(f"{label}: unreadable picture ({outcome}); mend or remove it, or leave such files out "
                              "with --skip-bad") from outcome
        rows.leave_out(k, label, outcome)
        return
    header, pixels = outcome
    if pixels is None:
        height, width = rows.shape[1:]
        raise _UselessError(f"{work.name}: pictures differ in size ({label} is {header.width}x{header.height}, others "
                            f"{width}x{height}); give --size for a centre crop and resize, e.g. --size "
                            f"{min(width, height)}")
    rows.add(k, pixels, turned=header.turned, n_pixels=3 * header.width * header.height)
    _check_amount(work, rows)


def _check_amount(work, rows):
    """Refuse pictures that are many more values than their files' bytes can honestly be."""
    for what, amount, free in (("rows", rows.n_rows * int(np.prod(rows.shape)), FREE),
                               ("pixels", rows.n_pixels, DECODED_FREE)):
        if amount > free and amount > RATIO * work.files.n_bytes:
            advice = "give --size for smaller rows" if what == "rows" else "resample them yourself"
            raise _UselessError(f"{work.name}: {work.files.n_bytes} bytes of pictures would become {what} of more than "
                                f"{amount / 2**30:.1f} GiB: refused as made to fill the disk; {advice}, if you know "
                                "what they are")

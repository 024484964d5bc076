"""Decoded pictures: many files as one array that is made once and memory-mapped ever after."""

import functools
import logging
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fmdiag.datasets.cache import cached_from
from fmdiag.datasets.pictures import BadPictureError, decode, read_header, strict_decoding
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.files.bounded import FREE, RATIO
from fmdiag.files.npy import load_npy

LOG = logging.getLogger(__name__)
CHUNK = 256
HELD = 1 << 26            # bytes of pictures that are decoded or handed on at a time, in all threads together
BYTES_PER_PIXEL = 8       # while a picture is decoded, converted and resampled
DECODED_FREE = 1 << 32    # pixels' values that any set may have before they are resampled
NAMED_AT_MOST = 5


def decoded_rows(pictures, files, kind, reading, name=None):
    """Return (rows, kept, n_turned): the pictures as uint8, which of them could be read, and how many were turned.

    Parameters
    ----------
    pictures : callable
        Returns an iterable of (label, source) each time it is called: a name for messages, and a path or bytes.
    files : SourceFiles
        The files that hold them.
    kind : tuple
        What else than `reading` decides the pictures; part of the entry's name in the cache.
    reading : Reading
        `size`, the side of the square wanted (None needs pictures of one size); `skip_bad`, whether to leave out
        unreadable pictures with a warning instead of refusing; `orientation`; `cache`, where decoded pictures are kept.
    name : str, optional
        The whole set, for messages; default the folder of the files.

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
    build = functools.partial(_build, pictures, size=reading.size, skip_bad=reading.skip_bad, name=name,
                              packed=files.n_bytes, upright=reading.orientation == "upright")
    entry = cached_from(files, reading.cache, (*kind, reading.size, reading.skip_bad, reading.orientation), build)
    bad = (entry / "skipped.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    if bad:
        more = f" and {len(bad) - NAMED_AT_MOST} more" if len(bad) > NAMED_AT_MOST else ""
        warnings.warn(f"{name}: left out {len(bad)} unreadable: {'; '.join(bad[:NAMED_AT_MOST])}{more}", FmdiagWarning,
                      stacklevel=2)
    n_turned = int((entry / "turned.txt").read_text())
    return load_npy(entry / "rows.npy"), np.array(load_npy(entry / "kept.npy")), n_turned


def _build(pictures, folder, *, size, skip_bad, name, packed, upright):
    bad = {}
    with strict_decoding(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        headers = _survey(pictures, pool, bad, skip_bad, upright)
        shape, grey = _common_shape(pictures, headers, size, name)
        _check_amount(headers, shape, packed, name)
        wanted = ((k, label, source) for k, (label, source) in enumerate(pictures()) if headers[k] is not None)
        with open(folder / "rows.npy", "w+b") as file:
            _write_header(file, (len(headers), *shape))
            kept = []
            for position, array in _decoded(wanted, headers, pool, size, grey, bad, skip_bad, upright):
                if array.shape != shape:
                    raise FmdiagError(f"{name}: picture {position} has shape {array.shape}, its header said {shape}: "
                                      "remove it, or give --size")
                file.write(array.tobytes())
                kept.append(position)
            if not kept:
                raise FmdiagError(f"{name}: no readable picture")
            _write_header(file, (len(kept), *shape))
    np.save(folder / "kept.npy", np.array(kept, np.int64))
    (folder / "turned.txt").write_text(str(sum(headers[k].turned for k in kept)))
    lines = "".join(f"{bad[k]}\n" for k in sorted(bad))
    (folder / "skipped.txt").write_text(lines, encoding="utf-8", errors="backslashreplace")
    LOG.info("decoded %s once; later runs read the decoded copy", name)


def _check_amount(headers, shape, packed, name):
    """Refuse pictures that are many more values than their files' bytes can honestly be."""
    good = [header for header in headers if header is not None]
    for what, amount, free in (("rows", len(good) * int(np.prod(shape)), FREE),
                               ("pixels", sum(3 * h.width * h.height for h in good), DECODED_FREE)):
        if amount > max(free, RATIO * packed):
            advice = "give --size for smaller rows" if what == "rows" else "resample them yourself"
            raise FmdiagError(f"{name}: {len(good)} pictures of {packed} bytes together would become {what} of "
                              f"{amount / 2**30:.1f} GiB: refused as made to fill the disk; {advice}, if you know what "
                              "they are")


def _survey(pictures, pool, bad, skip_bad, upright):
    """Return every picture's Header, None for a bad one."""
    numbered = ((k, label, source) for k, (label, source) in enumerate(pictures()))
    work = functools.partial(read_header, upright=upright)
    return [header for _, header in _attempted(numbered, pool, work, bad, skip_bad, lambda k: 0)]


def _decoded(wanted, headers, pool, size, grey, bad, skip_bad, upright):
    def cost(k):
        return BYTES_PER_PIXEL * headers[k].width * headers[k].height

    work = functools.partial(decode, size=size, grey=grey, upright=upright)
    return ((k, array) for k, array in _attempted(wanted, pool, work, bad, skip_bad, cost) if array is not None)


def _chunks(numbered, cost):
    """Yield lists of pictures that together take at most HELD bytes, or of one picture."""
    chunk, held = [], 0
    for one in numbered:
        more = cost(one[0]) + (len(one[2]) if isinstance(one[2], bytes) else 0)
        if chunk and (held + more > HELD or len(chunk) == CHUNK):
            yield chunk
            chunk, held = [], 0
        chunk.append(one)
        held += more
    if chunk:
        yield chunk


def _attempted(numbered, pool, work, bad, skip_bad, cost):
    """Yield (position, work(source)) in order, None where the picture is bad; a chunk at a time bounds memory."""
    attempt = functools.partial(_attempt, work)
    for chunk in _chunks(numbered, cost):
        for (k, label, _), outcome in zip(chunk, pool.map(attempt, chunk), strict=True):
            if isinstance(outcome, BadPictureError):
                if not skip_bad:
                    raise FmdiagError(f"{label}: unreadable picture ({outcome}); mend or remove it, or leave such "
                                      "files out with --skip-bad") from outcome
                bad[k] = f"{label} ({outcome})".replace("\n", " ")
                outcome = None
            yield k, outcome


def _attempt(work, numbered):
    try:
        return work(numbered[2])
    except BadPictureError as error:
        return error


def _common_shape(pictures, headers, size, name):
    good = [header for header in headers if header is not None]
    if not good:
        raise FmdiagError(f"{name}: no readable picture")
    grey = all(header.grey for header in good)
    channels = 1 if grey else 3
    if size is not None:
        return (channels, size, size), grey
    first = good[0]
    for header, (label, _) in zip(headers, pictures(), strict=True):
        if header is not None and (header.width, header.height) != (first.width, first.height):
            raise FmdiagError(f"{name}: pictures differ in size ({label} is {header.width}x{header.height}, others "
                              f"{first.width}x{first.height}); give --size for a centre crop and resize, e.g. --size "
                              f"{min(first.width, first.height)}")
    return (channels, first.height, first.width), grey


def _write_header(file, shape):
    # NumPy pads the header for growth of the first axis, so a second header with fewer rows has the same length.
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})

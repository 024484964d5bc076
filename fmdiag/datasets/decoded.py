"""How do many pictures become one array that is decoded once and memory-mapped ever after?"""

import functools
import logging
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from fmdiag.datasets.cache import cached
from fmdiag.datasets.pictures import BadPictureError, decode, read_header, strict_decoding
from fmdiag.errors import FmdiagError, FmdiagWarning

LOG = logging.getLogger(__name__)
CHUNK = 256
NAMED_AT_MOST = 5


def decoded_rows(pictures, *, size, skip_bad, cache, key, name):
    """Return (rows, kept): the pictures as uint8, and which of them could be read.

    Parameters
    ----------
    pictures : callable
        Returns an iterable of (label, source) each time it is called: a name for messages, and a path or bytes.
    size : int or None
        Side of the square wanted; None needs pictures of one size.
    skip_bad : bool
        Leave out unreadable pictures with a warning, instead of refusing.
    cache : Path
        Where decoded pictures are kept.
    key : str
        Names this set of pictures and transform, see `cache.content_key`.
    name : str
        The whole set, for messages.

    Returns
    -------
    rows : ndarray of uint8, shape (n, c, h, w)
        Memory-mapped, read-only.
    kept : ndarray of int64, shape (n,)
        Positions among `pictures`.

    Raises
    ------
    FmdiagError
        If a picture is unreadable and `skip_bad` is not set, if sizes differ and no size is given, or none is left.
    """
    build = functools.partial(_build, pictures, size=size, skip_bad=skip_bad, name=name)
    entry = cached(cache, key, build)
    bad = (entry / "skipped.txt").read_text().splitlines()
    if bad:
        more = f" and {len(bad) - NAMED_AT_MOST} more" if len(bad) > NAMED_AT_MOST else ""
        warnings.warn(f"{name}: left out {len(bad)} unreadable: {'; '.join(bad[:NAMED_AT_MOST])}{more}", FmdiagWarning,
                      stacklevel=2)
    return np.load(entry / "rows.npy", mmap_mode="r"), np.load(entry / "kept.npy")


def _build(pictures, folder, *, size, skip_bad, name):
    LOG.info("decoding %s once; later runs read the decoded copy", name)
    bad = {}
    with strict_decoding(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        headers = _survey(pictures, pool, bad, skip_bad)
        shape, grey = _common_shape(pictures, headers, size, name)
        wanted = ((k, label, source) for k, (label, source) in enumerate(pictures()) if headers[k] is not None)
        with open(folder / "rows.npy", "w+b") as file:
            _write_header(file, (len(headers), *shape))
            kept = []
            for position, array in _decoded(wanted, pool, size, grey, bad, skip_bad):
                file.write(array.tobytes())
                kept.append(position)
            if not kept:
                raise FmdiagError(f"{name}: no readable picture")
            _write_header(file, (len(kept), *shape))
    np.save(folder / "kept.npy", np.array(kept, np.int64))
    (folder / "skipped.txt").write_text("".join(f"{bad[k]}\n" for k in sorted(bad)))


def _survey(pictures, pool, bad, skip_bad):
    """Return every picture's Header, None for a bad one."""
    numbered = ((k, label, source) for k, (label, source) in enumerate(pictures()))
    return [header for _, header in _attempted(numbered, pool, read_header, bad, skip_bad)]


def _decoded(wanted, pool, size, grey, bad, skip_bad):
    work = functools.partial(decode, size=size, grey=grey)
    return ((k, array) for k, array in _attempted(wanted, pool, work, bad, skip_bad) if array is not None)


def _attempted(numbered, pool, work, bad, skip_bad):
    """Yield (position, work(source)) in order, None where the picture is bad; a chunk at a time bounds memory."""
    attempt = functools.partial(_attempt, work)
    numbered = iter(numbered)
    while chunk := list(islice(numbered, CHUNK)):
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

"""Cache of decoded pictures and unpacked archives, which are made once.

An entry is a folder named by a hash of what it is made from: the files (see `source_files`) and the transform. It is
built under a temporary name and renamed, so that an entry is whole or absent whatever interrupts the work.
"""

import contextlib

from fmdiag.errors import FmdiagError
from fmdiag.files.hashing import text_sha256
from fmdiag.files.store import Store


class CacheError(FmdiagError):
    """Raised where an entry cannot be written; its cause is the OSError."""


def content_key(*facts):
    """Return a name for what is made from `facts`, nested tuples of plain values."""
    return text_sha256(repr(facts))[:32]


def cached_from(files, cache, facts, build):
    """Return the folder of what ``build(temporary_folder)`` makes of some files, which may not change meanwhile.

    Parameters
    ----------
    files : SourceFiles
        What it is made from.
    cache : Path
        As for `cached`.
    facts : tuple
        What else decides it: the kind of entry, its version, the transform.
    build : callable
        As for `cached`.

    Raises
    ------
    FmdiagError
        If a file changed while it was read, or as `cached`.
    """
    def watched(folder):
        build(folder)
        files.check_unchanged()

    return cached(cache, content_key(*facts, files.key()), watched)


def cached(cache, key, build):
    """Return the folder ``cache / key``; where there is none yet, ``build(temporary_folder)`` fills it first.

    Parameters
    ----------
    cache : Path
        Folder of all entries, made if missing.
    key : str
        From `content_key`.
    build : callable
        Fills an existing empty folder; if it raises, nothing is left behind.

    Raises
    ------
    FmdiagError
        If the cache cannot be written: full disk, read-only folder.
    """
    store = Store(cache, record=None)
    if store.find(key) is None:
        with writing_to(cache):
            store.add(key, build)
    return store.path(key)


@contextlib.contextmanager
def writing_to(folder):
    """Turn a full disk or a folder that may not be written to into one line."""
    try:
        yield
    except OSError as error:
        raise CacheError(f"cannot write to {folder} ({error.strerror or error}): free some space, or choose another "
                         f"place with --data-root or FMDIAG_DATA_ROOT") from error

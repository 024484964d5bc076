"""Zip and tar archives, unpacked once into the cache, without letting them write outside their own folder."""

import errno
from pathlib import Path

from fmdiag.datasets.cache import cached_from
from fmdiag.datasets.source_files import SourceFiles
from fmdiag.errors import FmdiagError
from fmdiag.files.unpack import unpack

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def is_archive(path):
    """Whether a file name is that of an archive."""
    return str(path).lower().endswith(SUFFIXES)


def unpacked(archive, cache, wanted=None, verify=False):
    """Return a folder with the content of an archive, unpacked once; a single top folder is entered.

    Parameters
    ----------
    archive : path
        The file.
    cache : path
        Where it is unpacked.
    wanted : callable, optional
        Which names are read, see `fmdiag.files.unpack.unpack`.
    verify : bool
        Whether an earlier copy is found by the archive's content instead of its inode and times.

    Raises
    ------
    FmdiagError
        If a member is no regular file or would leave the folder, or the archive is damaged; nothing of it is kept then.
    """
    archive = Path(archive)
    files = SourceFiles.of([archive], verify=verify)
    folder = cached_from(files, cache, ("unpacked", 3), lambda folder: _unpack(archive, folder, wanted))
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


def _unpack(archive, folder, wanted):
    try:
        unpack(archive, folder, wanted)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES):
            raise
        # Names that no file may have.
        raise FmdiagError(f"{archive}: members that cannot be unpacked ({error.strerror or error}); fetch it again"
                          ) from error

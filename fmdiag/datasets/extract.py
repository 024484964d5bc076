"""What is in a zip or tar archive, without letting it write outside its own folder?"""

import errno
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from fmdiag.datasets.cache import cached, content_key, file_facts
from fmdiag.datasets.limits import check_unpacked
from fmdiag.errors import FmdiagError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# What the readers of archives raise on damaged ones.
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, ValueError,
           LookupError, NotImplementedError, RuntimeError, OverflowError)


def is_archive(path):
    """Whether a file name is that of an archive."""
    return str(path).lower().endswith(SUFFIXES)


def unpacked(archive, cache):
    """Return a folder with the content of an archive, unpacked once; a single top folder is entered.

    Raises
    ------
    FmdiagError
        If a member would leave the folder, or the archive is damaged; nothing of it is kept then.
    """
    archive = Path(archive)
    folder = cached(cache, content_key("unpacked", 1, file_facts(archive)), lambda folder: _unpack(archive, folder))
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


def _unpack(archive, folder):
    unpack = _unpack_zip if archive.name.lower().endswith(".zip") else _unpack_tar
    try:
        unpack(archive, folder)
    except FmdiagError:
        raise
    except tarfile.FilterError as error:
        raise _refused(archive, error.tarinfo.name) from error
    except tarfile.ReadError as error:
        raise FmdiagError(f"{archive}: truncated or damaged archive ({str(error).partition(':')[0]}); fetch it again"
                          ) from error
    except DAMAGED as error:
        raise FmdiagError(f"{archive}: truncated or damaged archive ({error}); fetch it again") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES):
            raise
        # Members that are one another's folder or link, or whose names no file may have.
        raise FmdiagError(f"{archive}: members that cannot be unpacked ({error.strerror or error}); fetch it again"
                          ) from error


def _unpack_zip(archive, folder):
    with zipfile.ZipFile(archive) as opened:
        check_unpacked(archive, sum(member.file_size for member in opened.infolist()), archive.stat().st_size)
        for member in opened.infolist():
            # zipfile would silently strip such paths; an archive that has them is not what it claims to be.
            if _leaves(member.filename) or stat.S_ISLNK(member.external_attr >> 16):
                raise _refused(archive, member.filename)
        opened.extractall(folder)


def _unpack_tar(archive, folder):
    packed, total = archive.stat().st_size, 0
    with tarfile.open(archive) as opened:
        for member in opened:
            total += member.size + tarfile.BLOCKSIZE
            check_unpacked(archive, total, packed)
            if _leaves(member.name):
                raise _refused(archive, member.name)
            opened.extract(member, folder, filter="data")


def _leaves(name):
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or name[1:2] == ":"


def _refused(archive, member):
    return FmdiagError(f"{archive}: member {member!r} would be written outside its folder: archive refused")

"""Atomic replacement of a file, so that it is whole or absent, and what is said where it cannot be written."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from fmdiag.errors import FmdiagError


def replace_atomically(path, write):
    """Call `write(temporary_path)` and move the outcome to `path`; a failure leaves `path` as it was.

    A new file is as readable as the umask says, one that is replaced as readable as it was.

    Raises
    ------
    OSError
        As raised by `write` (full disk, read-only folder); the temporary file is removed first.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    os.close(handle)
    try:
        write(temporary)
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.is_file() else 0o666 & ~umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def check_writable(path, option="--out"):
    """Raise FmdiagError if no file could be made at `path`, before work is spent on it; nothing is left behind.

    Parameters
    ----------
    path : path
        File or folder that is to be written; folders above it may be missing.
    option : str
        What named it, for the message.
    """
    above = next(folder for folder in Path(path).absolute().parents if os.path.lexists(folder))
    if not above.is_dir():
        raise FmdiagError(f"{path}: {above} is a file, not a folder: choose another {option}")
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise FmdiagError(f"{path} cannot be written ({error.strerror}); {remedy(error, option)}") from error


def remedy(error, option="--out"):
    """Return what to do about an OSError while writing to what `option` names."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"free some space, or choose another folder with {option}"
    if error.errno == errno.EROFS:
        return f"make it writable, or choose another folder with {option}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"check its permissions, or choose another folder with {option}"
    if error.errno == errno.ENAMETOOLONG:
        return f"choose a shorter name with {option}"
    return f"check the path and the disk, or choose another folder with {option}"


def umask():
    """Return the process's umask: mkstemp ignores it, and files of a run are to be as readable as any other file."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

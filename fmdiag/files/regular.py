"""Only regular files are read: pipes, devices and sockets never end or never begin."""

import contextlib
import errno
import os
import stat
from pathlib import Path

from fmdiag.errors import FmdiagError

OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
LONGEST = 1 << 26   # bytes of a text: a configuration, a card
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
         stat.S_IFSOCK: "a socket"}


def check_regular(path, what="file"):
    """Return the status of a regular file, or of what a link to one points to.

    Parameters
    ----------
    path : path
        The file.
    what : str
        What it should be, for the message: ``"checkpoint file"``.

    Raises
    ------
    FmdiagError
        If it is not there, cannot be looked at, or is a folder, pipe, device or socket.
    """
    try:
        status = os.stat(Path(path))
    except FileNotFoundError as error:
        raise FmdiagError(f"{path}: no such {what}; check the path") from error
    except OSError as error:
        raise FmdiagError(f"{path} cannot be read ({error.strerror}): check the path and its permissions") from error
    except ValueError as error:
        raise FmdiagError(f"{str(path)!r}: no path ({error}); give the path of a {what}") from error
    return _checked(path, status, what)


@contextlib.contextmanager
def readable(name):
    """Raise an OSError of reading from within, as of a link that leads nowhere, as an FmdiagError that names the file.

    What the disk says to writing, such as a copy in a cache, is let through.
    """
    try:
        yield
    except OSError as error:
        if error.errno in OF_WRITING:
            raise
        raise FmdiagError(f"{error.filename or name} cannot be read ({error.strerror or error}): check the path, its "
                          "links and its permissions") from error


def open_regular(path, what="file"):
    """Return a regular file, opened for reading bytes; it never waits for another process.

    Raises
    ------
    FmdiagError
        As `check_regular`.
    """
    check_regular(path, what)
    try:
        # Without O_NONBLOCK a pipe that took the file's place meanwhile would be waited for.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise FmdiagError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    try:
        _checked(path, os.fstat(handle), what)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_text(path, what="file", at_most=LONGEST):
    """Return the UTF-8 text of a small regular file.

    Raises
    ------
    FmdiagError
        As `check_regular`, or if it has more than `at_most` bytes.
    UnicodeDecodeError
        If it is no UTF-8.
    """
    with open_regular(path, what) as file:
        content = file.read(at_most + 1)
    if len(content) > at_most:
        raise FmdiagError(f"{path} has more than {at_most >> 20} MiB, too much for a {what}: check the path")
    return content.decode("utf-8")


def _checked(path, status, what):
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise FmdiagError(f"{path} is {kind}, not a {what}: give a regular file")
    return status

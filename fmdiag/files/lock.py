"""Locks on output folders and on parts of studies: one process writes, others are refused or wait.

A lock is the operating system's, on a file of its own (`filelock`). A process that dies, by kill -9 too, lets go of
it: a file that it leaves blocks nobody. Where a file system has no locks, nothing is locked.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from fmdiag.errors import FmdiagError
from fmdiag.files.replace import remedy

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
PATIENCE, ATTEMPTS = 0.2, 20  # seconds, and how often: the file may be taken away while it is opened, by its last owner


class LockedError(FmdiagError):
    """Raised where another process has the lock."""


class Lock:
    """The right to write to one output.

    Parameters
    ----------
    file : path
        Lock file; it and missing folders above it are made, and taken away by `release` where nothing else is in them.
    out : path
        What is locked, for the message.

    Attributes
    ----------
    held : bool
        Whether this process holds the lock; False too where the file system has no locks.
    """

    def __init__(self, file: str | Path, out: object):
        self.file, self.out, self.made, self.status = Path(file), out, [], None
        self.lock = _file_lock(self.file)

    @property
    def held(self) -> bool:
        """Return whether this process holds the lock."""
        return self.lock.is_locked

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        FmdiagError
            If another process has it, or the file cannot be made.
        """
        self.made = [folder for folder in self.file.parents if not folder.exists()]
        try:
            self._take()
        except Timeout as error:
            raise LockedError(f"{self.out}: another fmdiag, process {self._owner()}, is writing there: wait until it "
                              "ends, or choose another --out") from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                self._remove_made()
                raise FmdiagError(f"{self.out}: cannot be written ({error.strerror}); {remedy(error)}") from error
        with contextlib.suppress(OSError):
            self.status = os.stat(self.file)
            self.file.write_text(f"{os.getpid()} on {socket.gethostname()}")

    def _take(self):
        for attempt in range(ATTEMPTS):
            try:
                self.lock.acquire(timeout=PATIENCE)
                return
            except FileNotFoundError:  # the folder went with its last owner
                if attempt == ATTEMPTS - 1:
                    raise

    def _owner(self):
        with contextlib.suppress(OSError):
            return self.file.read_text()[:200].strip() or "of unknown number"
        return "of unknown number"

    def release(self) -> None:
        """Let go, and take the file away, with the folders that were made for it as far as they are empty."""
        with contextlib.suppress(OSError):
            # Not a file that was put in its place.
            if self.status is not None and os.path.samestat(self.status, os.stat(self.file)):
                self.file.unlink()
        self.status = None
        self.lock.release()
        self._remove_made()

    def _remove_made(self):
        for folder in self.made:
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def claim(file: str | Path, *, wait: bool = False) -> Iterator[bool]:
    """Yield whether this process now holds the lock on `file`, which is made if missing and stays.

    Parameters
    ----------
    file : path
        Lock file; its content does not matter.
    wait : bool
        Wait for the lock instead of yielding False where another process holds it.
    """
    lock = _file_lock(file)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        yield False
        return
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    try:
        yield True
    finally:
        lock.release()


def _file_lock(file):
    # A lock that is a mere file (the fallback) would outlive a process that is killed.
    return FileLock(file, fallback_to_soft=False, thread_local=False)

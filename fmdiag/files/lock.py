"""Who writes to this output? The one process that holds the operating system's lock on a file beside it.

A process that dies, by kill -9 too, lets go of its lock: a file that it leaves blocks nobody. Where a file system has
no locks, nothing is locked.
"""

import contextlib
import errno
import fcntl
import os
import socket
from pathlib import Path

from fmdiag.errors import FmdiagError
from fmdiag.files.replace import remedy

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
ATTEMPTS = 20  # the file may be taken away while it is being opened, by its last owner


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
    taken : bool
        Whether `acquire` found another process to hold it.
    """

    def __init__(self, file, out):
        self.file, self.out, self.stream, self.made = Path(file), out, None, []
        self.held = self.taken = False

    def acquire(self):
        """Take the lock.

        Raises
        ------
        FmdiagError
            If another process has it, or the file cannot be made.
        """
        self.made = [folder for folder in self.file.parents if not folder.exists()]
        try:
            for attempt in range(ATTEMPTS):
                if self._opened(last=attempt == ATTEMPTS - 1) and self._locked():
                    break
        except BlockingIOError as error:
            self.stream.seek(0)
            owner, self.taken = self.stream.read(200).strip() or "of unknown number", True
            self._close()
            raise LockedError(f"{self.out}: another fmdiag, process {owner}, is writing there: wait until it ends, "
                              "or choose another --out") from error
        except OSError as error:
            self._close()
            self._remove_made()
            raise FmdiagError(f"{self.out}: cannot be written ({error.strerror}); {remedy(error)}") from error
        with contextlib.suppress(OSError):
            self.stream.truncate(0)
            self.stream.write(f"{os.getpid()} on {socket.gethostname()}")
            self.stream.flush()

    def _opened(self, *, last):
        """Return whether the file could be opened; not where its folder was taken away meanwhile."""
        self._close()
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.stream = open(self.file, "a+")
        except FileNotFoundError:
            if last:
                raise
        return self.stream is not None

    def _locked(self):
        """Lock the open file; return whether it is still the one of that name, and not one that was taken away."""
        try:
            fcntl.flock(self.stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.held = True
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        return self._is_current()

    def _is_current(self):
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self.stream.fileno()), os.stat(self.file))
        return False

    def _close(self):
        if self.stream is not None:
            self.stream.close()
        self.stream, self.held = None, False

    def release(self):
        """Let go, and take the file away, with the folders that were made for it as far as they are empty."""
        if self.stream is None:
            return
        if self._is_current():
            self.file.unlink(missing_ok=True)
        self._close()
        self._remove_made()

    def _remove_made(self):
        for folder in self.made:
            with contextlib.suppress(OSError):
                folder.rmdir()

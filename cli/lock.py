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

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class Lock:
    """The right to write to one output.

    Parameters
    ----------
    file : path
        Lock file; it and missing folders above it are made, and taken away by `release` where nothing else is in them.
    out : path
        What is locked, for the message.
    """

    def __init__(self, file, out):
        self.file, self.out, self.stream, self.made = Path(file), out, None, []

    def acquire(self):
        """Take the lock.

        Raises
        ------
        FmdiagError
            If another process has it, or the file cannot be made.
        """
        from fmdiag.errors import FmdiagError
        from fmdiag.results import remedy

        self.made = [folder for folder in self.file.parents if not folder.exists()]
        try:
            while not self._current():
                self.file.parent.mkdir(parents=True, exist_ok=True)
                self.stream = open(self.file, "a+")
                self._lock()
        except BlockingIOError as error:
            self.stream.seek(0)
            owner = self.stream.read(200).strip() or "of unknown number"
            self._close()
            raise FmdiagError(f"{self.out}: another fmdiag, process {owner}, is writing there: wait until it ends, "
                              "or choose another --out") from error
        except OSError as error:
            raise FmdiagError(f"{self.out}: cannot be written ({error.strerror}); {remedy(error)}") from error
        with contextlib.suppress(OSError):
            self.stream.truncate(0)
            self.stream.write(f"{os.getpid()} on {socket.gethostname()}")
            self.stream.flush()

    def _lock(self):
        try:
            fcntl.flock(self.stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise

    def _current(self):
        """Return whether the locked file is the one of that name: its last owner may have taken it away meanwhile."""
        if self.stream is None:
            return False
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(self.stream.fileno()).st_ino == os.stat(self.file).st_ino:
                return True
        self._close()
        return False

    def _close(self):
        self.stream.close()
        self.stream = None

    def release(self):
        """Let go, and take the file away, with the folders that were made for it as far as they are empty."""
        if self.stream is None:
            return
        self.file.unlink(missing_ok=True)
        self._close()
        for folder in self.made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def in_use(file):
    """Return whether another process holds the lock on a file."""
    try:
        with open(file) as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False

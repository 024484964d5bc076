"""Which process works on a part? The one that holds the lock on its file; a process that is killed lets go of it.

Locks are those of the operating system (flock), so that nothing is left to clear up after kill -9 and no process is
taken for alive because of a file it left. They hold between processes and machines that share a file system with locks.
"""

import contextlib
import fcntl
from pathlib import Path


@contextlib.contextmanager
def claim(file, *, wait=False):
    """Yield whether this process now holds the lock on `file`, made if missing.

    Parameters
    ----------
    file : path
        Lock file; its content does not matter.
    wait : bool
        Wait for the lock instead of yielding False where another process holds it.
    """
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    with open(file, "a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(stream, fcntl.LOCK_UN)

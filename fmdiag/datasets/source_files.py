"""Source files of a cached copy, told from others by device, inode, size and times, or by content.

A file that is edited in place with its modification time put back has another change time; one that was copied from
elsewhere with its times has another inode. `verify` looks at nothing but names and content.
"""

import hashlib
import os
import stat
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

from fmdiag.errors import FmdiagError
from fmdiag.files.hashing import file_sha256

FACTS = struct.Struct("<6q")
TICK = 20_000_000   # ns; two changes within one tick of the system's clock have one change time


@dataclass(frozen=True, eq=False)
class SourceFiles:
    """Files below a folder, in the order in which they are read.

    Parameters
    ----------
    root : str
        The folder.
    names : list of str
        Their paths below it.
    facts : list of bytes
        Of each: device, inode, size, modification and change time, kind; packed.
    verify : bool
        Whether `key` is made from their content.
    """

    root: str
    names: list
    facts: list
    verify: bool = False

    @classmethod
    def of(cls, paths, root=None, verify=False):
        """Return the SourceFiles of some paths; names are relative to `root`, else those of the files alone."""
        paths = [os.fspath(path) for path in paths]
        root = os.path.dirname(paths[0]) if root is None else os.fspath(root)
        start = os.path.join(root, "")
        names = [path[len(start):] if path.startswith(start) else os.path.relpath(path, root) for path in paths]
        return settled(cls(root, names, [facts_of(path) for path in paths], verify))

    def __len__(self):
        """Return the number of files."""
        return len(self.names)

    @cached_property
    def n_bytes(self):
        """Bytes of all files together."""
        return sum(FACTS.unpack(facts)[2] for facts in self.facts)

    def path(self, k):
        """Return the path of the k-th file, a str."""
        return os.path.join(self.root, self.names[k])

    def key(self):
        """Return a hash (hex) of the names, and of what tells the files apart from others of these names.

        Raises
        ------
        FmdiagError
            If `verify` is set and one cannot be read.
        """
        digest = hashlib.sha256(b"content" if self.verify else b"status")
        contents = self._contents() if self.verify else self.facts
        for name, fact in zip(self.names, contents, strict=True):
            digest.update(os.fsencode(name) + b"\0" + fact)
        return digest.hexdigest()

    def some(self, first, stop):
        """Return the files from one position to before another."""
        return SourceFiles(self.root, self.names[first:stop], self.facts[first:stop], self.verify)

    def status_key(self):
        """Return `key` without a look at content, whatever `verify` says."""
        return SourceFiles(self.root, self.names, self.facts).key()

    def check_unchanged(self):
        """Raise FmdiagError if a file is not what it was when this was made: half of it may have been read before."""
        for k, facts in enumerate(self.facts):
            if facts_of(self.path(k)) != facts:
                raise FmdiagError(f"{self.path(k)}: changed while it was read: give the command again when nobody "
                                  "writes to it")

    def _contents(self):
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            yield from pool.map(_content, (self.path(k) for k in range(len(self))))


def facts_of(path):
    """Return the packed facts of a file.

    Raises
    ------
    FmdiagError
        If it cannot be looked at.
    """
    try:
        return packed(os.stat(path))
    except OSError as error:
        raise FmdiagError(f"{path}: cannot be read ({error.strerror}): mend or remove it") from error


def packed(status):
    """Return what tells a file from others, of an `os.stat_result`."""
    return FACTS.pack(_signed(status.st_dev), _signed(status.st_ino), status.st_size, status.st_mtime_ns,
                      status.st_ctime_ns, stat.S_IFMT(status.st_mode))


def settled(files):
    """Return the files as they are once the clock has moved on: a later change will then show in the change time."""
    newest = max((FACTS.unpack(facts)[4] for facts in files.facts), default=0)
    if not 0 <= time.time_ns() - newest < TICK:
        return files
    time.sleep(TICK / 1e9)
    return SourceFiles(files.root, files.names, [facts_of(files.path(k)) for k in range(len(files))], files.verify)


def _signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value


def _content(path):
    return bytes.fromhex(file_sha256(path))

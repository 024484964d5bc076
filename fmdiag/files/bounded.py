"""One bounded reader for every compressed stream: bytes, entries and names are counted while they are unpacked.

What a header claims is never believed and nothing is allocated for it. A small file may become `FREE` bytes, a larger
one `RATIO` times its own size; an archive may have `FREE_ENTRIES` members, or one for each `BYTES_PER_ENTRY` of its
bytes. Beyond that it is refused in one line. `fmdiag.files.zips` and `fmdiag.files.tars` read members through here.
"""

import io
import lzma
import os
import zlib

from fmdiag.errors import FmdiagError
from fmdiag.files.decompressors import MAKE, XZ_MEMORY, Stored
from fmdiag.files.regular import open_regular

FREE = 1 << 28           # bytes that any file may become
RATIO = 200              # beyond them, bytes for each byte of the file: pictures are packed two to twenty times smaller
FREE_ENTRIES = 20_000    # members that any archive may have
BYTES_PER_ENTRY = 16     # beyond them, bytes of the archive for each member: no two pictures are packed into fewer
MOST_ENTRIES = 1_500_000
LONGEST_NAME = 1024      # bytes of a member's name with its folders
CHUNK = 1 << 16         # packed bytes that are read at a time
AT_ONCE = 1 << 20       # unpacked bytes that are handed out at a time

MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}


class Budget:
    """What one file may become; charged while it is unpacked.

    Parameters
    ----------
    path : path
        The file, for messages.
    packed : int
        Its size in bytes.
    ratio : int, optional
        Bytes that a large one may become for each of its own; default `RATIO`.
    """

    def __init__(self, path, packed, *, ratio=None):
        self.path, self.packed = path, packed
        self.most = max(FREE, (RATIO if ratio is None else ratio) * packed)
        self.most_entries = min(MOST_ENTRIES, max(FREE_ENTRIES, packed // BYTES_PER_ENTRY))
        self.spent = self.entries = 0

    def spend(self, n_bytes):
        """Count bytes that were unpacked.

        Raises
        ------
        FmdiagError
            If there are more than the file may become.
        """
        self.spent += n_bytes
        self.foresee(0)

    def foresee(self, n_bytes):
        """Refuse what says that it needs too many further bytes; a small claim proves nothing and costs nothing."""
        total = self.spent + n_bytes
        if total > self.most:
            raise FmdiagError(f"{self.path}: {self.packed} bytes would unpack to at least {total} "
                              f"({total / 2**30:.1f} GiB): refused as a decompression bomb; unpack it yourself if you "
                              "know what it is")

    def enter(self, name):
        """Count a member, or a folder above one, and the length of its name (str or bytes)."""
        self.entries += 1
        if self.entries > self.most_entries:
            raise FmdiagError(f"{self.path}: {self.packed} bytes hold more than {self.most_entries} members: refused "
                              "as made to fill the disk; unpack it yourself if you know what it is")
        length = len(name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape"))
        if length > LONGEST_NAME:
            raise FmdiagError(f"{self.path}: a member's name has {length} bytes, more than {LONGEST_NAME}: archive "
                              "refused; pack it again with shorter names")


def damaged(path, reason, kind=FmdiagError):
    """Return the error, FmdiagError or a kind of it, of a file that does not unpack."""
    return kind(f"{path}: truncated or damaged ({reason}); copy it again from where it came")


class Unpacked(io.RawIOBase):
    """The bytes of a compressed stream, read forwards; no more is held than is asked for.

    Parameters
    ----------
    file : binary file
        At the start of the packed bytes.
    method : str or callable
        ``"gzip"``, ``"bzip2"``, ``"xz"``, ``"deflate"`` (without a header), ``"stored"``, or what makes a decompressor.
    budget : Budget
        Is charged with every byte.
    length : int, optional
        Number of packed bytes; None reads to the end of the file.
    several : bool
        Whether further streams of the kind may follow, as parallel packers write.
    owned : bool
        Whether `file` is closed with it.
    """

    def __init__(self, file, method, budget, *, length=None, several=False, owned=False):
        super().__init__()
        self.file, self.budget, self.left, self.several, self.owned = file, budget, length, several, owned
        self.make = MAKE[method] if isinstance(method, str) else method
        self.unpacker, self.pending = self.make(), b""
        self.ready = memoryview(b"")

    def readable(self):
        """Return True."""
        return True

    def close(self):
        """Close the stream, and its file if it is owned."""
        if self.owned:
            self.file.close()
        super().close()

    def read(self, n_bytes=-1):
        """Return at most `n_bytes`, perhaps fewer than there are; b"" at the end."""
        return super().read(n_bytes if n_bytes < 0 else min(n_bytes, AT_ONCE))

    def readinto(self, buffer):
        """Fill a part of `buffer`; return the number of bytes, 0 at the end.

        Raises
        ------
        FmdiagError
            If the stream is damaged, ends early or becomes too long.
        """
        if len(buffer) == 0:
            return 0
        if not self.ready:
            self._make_ready(max(CHUNK, len(buffer)))
        n_bytes = min(len(buffer), len(self.ready))
        buffer[:n_bytes], self.ready = self.ready[:n_bytes], self.ready[n_bytes:]
        return n_bytes

    def _make_ready(self, at_most):
        try:
            data = self._unpack(at_most)
        except (zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
            raise self._refused(error) from error
        except OSError as error:  # of bzip2's data where it carries no number
            if error.errno is not None:
                raise
            raise self._refused(error) from error
        self.budget.spend(len(data))
        self.ready = memoryview(data)

    def _unpack(self, at_most):
        data = b""
        while not data and (not self.unpacker.eof or self._another()):
            feed, self.pending = self.pending, b""
            if self.unpacker.needs_input and not feed:
                feed = self._feed()
                if not feed and not isinstance(self.unpacker, Stored):
                    raise EOFError("it ends early")
            data = self.unpacker.decompress(feed, at_most)
        return data

    def _another(self):
        """Go on with the stream that follows, if one may; zeros between streams are padding."""
        if not self.several:
            return False
        rest = (self.unpacker.unused_data or self.pending).lstrip(b"\0")
        while not rest and (feed := self._feed()):
            rest = feed.lstrip(b"\0")
        self.pending = rest
        if not rest:
            return False
        self.unpacker = self.make()
        return True

    def _feed(self):
        data = self.file.read(CHUNK if self.left is None else min(CHUNK, self.left))
        if self.left is not None:
            self.left -= len(data)
        return data

    def _refused(self, error):
        if "emory usage limit" in str(error):
            return FmdiagError(f"{self.budget.path}: needs a dictionary of more than {XZ_MEMORY >> 20} MiB to be "
                               "unpacked: refused; pack it again with xz -9 or less")
        return damaged(self.budget.path, error)


def open_unpacked(path, what="file"):
    """Return an `Unpacked` of a whole file that is gzip, bzip2 or xz by its first bytes, or plain; close it after use.

    Raises
    ------
    FmdiagError
        If it is no regular file.
    """
    file = open_regular(path, what)
    start = file.read(6)
    file.seek(0)
    method = next((method for magic, method in MAGIC.items() if start.startswith(magic)), "stored")
    budget = Budget(path, os.fstat(file.fileno()).st_size)
    return Unpacked(file, method, budget, several=method != "stored", owned=True)


def read_exactly(stream, n_bytes, path):
    """Return the next `n_bytes` of a stream as a bytearray that grows with what arrives.

    Raises
    ------
    FmdiagError
        If the stream ends before.
    """
    data = bytearray()
    while len(data) < n_bytes:
        part = stream.read(min(CHUNK, n_bytes - len(data)))
        if not part:
            raise damaged(path, "it ends early")
        data += part
    return data


def fill(stream, buffer, path):
    """Fill a writable buffer of bytes from a stream, or raise FmdiagError if the stream ends before."""
    left = memoryview(buffer)
    while len(left):
        part = stream.read(min(AT_ONCE, len(left)))
        if not part:
            raise damaged(path, "it ends early")
        left[: len(part)] = part
        left = left[len(part):]

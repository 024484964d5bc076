"""Members of a zip archive, listed and unpacked within bounds; npz, TorchScript and torch's checkpoints are zips.

Offsets and sizes are checked against the file, a member is read only where its local header names it as the directory
does, and its length and checksum are compared at its end. The directory is read a record at a time.
"""

import lzma
import os
import struct
import zlib
from functools import partial

from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import Budget, Unpacked, damaged, read_exactly
from fmdiag.files.decompressors import XZ_MEMORY
from fmdiag.files.regular import open_regular
from fmdiag.files.zip_directory import DamagedZipError, find_directory, read_record

LOCAL = struct.Struct("<4s5H3I2H")
METHODS = {0: "stored", 8: "deflate", 12: "bzip2", 14: "lzma"}
MOST_NAMED = 200_000                    # members of an archive that is listed at once
SMALL = 1 << 24


class Zip:
    """A zip archive, opened; a context manager.

    Parameters
    ----------
    path : path
        The file.
    what : str
        What it should be, for messages.
    ratio : int, optional
        As for `Budget`.

    Raises
    ------
    FmdiagError
        If it is no regular file or no zip, and from every method if it is damaged or unpacks to too much.
    """

    def __init__(self, path, what="zip archive", *, ratio=None):
        self.path, self.file = path, open_regular(path, what)
        try:
            self.length = os.fstat(self.file.fileno()).st_size
            self.budget = Budget(path, self.length, ratio=ratio)
            self.directory, self.directory_end, self.shift = find_directory(self.file, self.length, path, what)
        except BaseException:
            self.file.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def members(self):
        """Yield every ZipMember in the directory's order; memory does not grow with their number."""
        place, self.budget.entries = self.directory, 0
        while place < self.directory_end:
            member, place = read_record(self._at, place, self.shift, self.path)
            self.budget.enter(member.raw_name)
            yield member

    def names(self):
        """Return the names of all members, a list; see `by_name`."""
        return list(self.by_name())

    def by_name(self):
        """Return the members as a dict by name.

        Raises
        ------
        FmdiagError
            If two have one name, or there are more than 200 000.
        """
        found = {}
        for member in self.members():
            if member.name in found or len(found) >= MOST_NAMED:
                reason = "more members than are listed" if len(found) >= MOST_NAMED else f"two members {member.name!r}"
                raise FmdiagError(f"{self.path}: {reason}: archive refused; save it again")
            found[member.name] = member
        return found

    def open(self, member):
        """Return a stream of a member's bytes, unpacked; see `Unpacked`."""
        header = LOCAL.unpack(self._at(member.offset, LOCAL.size))
        if header[0] != b"PK\x03\x04":
            raise damaged(self.path, f"member {member.name!r} is not where the directory says")
        if self._at(member.offset + LOCAL.size, header[9]) != member.raw_name:
            raise damaged(self.path, f"member {member.name!r} has another name in its own header")
        start = member.offset + LOCAL.size + header[9] + header[10]
        if start + member.packed > self.length:
            raise damaged(self.path, f"member {member.name!r} reaches beyond the end")
        self.budget.foresee(member.size)
        return _Member(self, member, start)

    def check_sums(self):
        """Read every member to its end, or raise FmdiagError where one is damaged."""
        for member in self.by_name().values():
            with self.open(member) as stream:
                stream.finish()

    def read(self, member, at_most=SMALL):
        """Return the bytes of a small member.

        Raises
        ------
        FmdiagError
            If it says that it has more than `at_most` bytes, or has more.
        """
        if member.size > at_most:
            raise FmdiagError(f"{self.path}: member {member.name!r} has {member.size} bytes, at most {at_most} were "
                              "expected: refused")
        with self.open(member) as stream:
            content = read_exactly(stream, member.size, self.path)
            stream.finish()
        return bytes(content)

    def _at(self, place, length):
        self.file.seek(place)
        data = self.file.read(length)
        if len(data) != length:
            raise damaged(self.path, "it ends early")
        return data


class _Member(Unpacked):
    """The bytes of one member, compared with its length and checksum at the end."""

    def __init__(self, archive, member, start):
        self.place, self.member, self.got, self.sum = start, member, 0, 0
        method, length = METHODS.get(member.method), member.packed
        if method is None:
            raise FmdiagError(f"{archive.path}: member {member.name!r} is packed by method {member.method}: pack it "
                              "again by deflate")
        if method == "lzma":
            method, skip = _lzma(archive, start, length)
            self.place, length = start + skip, length - skip
        super().__init__(archive.file, method, archive.budget, length=length)

    def _feed(self):
        # Another member may have been read meanwhile.
        self.file.seek(self.place)
        data = super()._feed()
        self.place += len(data)
        return data

    def readinto(self, buffer):
        """Fill a part of `buffer`; return the number of bytes, 0 at the end.

        Raises
        ------
        FmdiagError
            If its length or checksum is not what the directory says.
        """
        # LZMA may end without a mark.
        done = self.got == self.member.size and METHODS[self.member.method] == "lzma"
        n_bytes = 0 if done else super().readinto(buffer)
        self.sum = zlib.crc32(memoryview(buffer)[:n_bytes], self.sum)
        self.got += n_bytes
        wrong = self.got > self.member.size or (n_bytes == 0 < len(buffer) and self.got < self.member.size)
        if wrong or (n_bytes == 0 < len(buffer) and self.sum != self.member.crc):
            reason = "is not as long as" if wrong else "fails its checksum, which is not what"
            raise damaged(self.budget.path, f"member {self.member.name!r} {reason} the directory says")
        return n_bytes

    def finish(self):
        """Read to the end, where length and checksum are compared."""
        while self.read(1 << 20):
            pass


def is_zip(path):
    """Return whether a regular file ends like a zip, damaged or not."""
    try:
        with Zip(path):
            return True
    except FmdiagError as error:
        return isinstance(error, DamagedZipError)


def _lzma(archive, start, length):
    """Return (what makes the decompressor, bytes of its header) of a member packed by method 14."""
    header = archive._at(start, min(length, 9))
    if len(header) < 9 or header[2:4] != b"\x05\0" or header[4] >= 225:
        raise damaged(archive.path, "an LZMA header is missing")
    first, dictionary = header[4], int.from_bytes(header[5:9], "little")
    if dictionary > XZ_MEMORY:
        raise FmdiagError(f"{archive.path}: needs a dictionary of {dictionary >> 20} MiB to be unpacked: refused; pack "
                          "it again by deflate")
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": max(4096, dictionary), "pb": first // 45, "lp": first % 45 // 9,
                "lc": first % 9}]
    return partial(lzma.LZMADecompressor, lzma.FORMAT_RAW, filters=filters), 9

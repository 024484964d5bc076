"""Members of a zip archive, listed and unpacked within bounds; npz, TorchScript and torch's checkpoints are zips.

Offsets and sizes are checked against the file, a member is read only where its local header names it as the directory
does, and its length and checksum are compared at its end. The directory is read a record at a time.
"""

import lzma
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from functools import partial

from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import XZ_MEMORY, Budget, Unpacked, damaged, read_exactly
from fmdiag.files.regular import open_regular

END, END64, LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
RECORD = struct.Struct("<4s6H3I5H2I")   # of the directory
LOCAL = struct.Struct("<4s5H3I2H")
METHODS = {0: "stored", 8: "deflate", 12: "bzip2", 14: "lzma"}
ENCRYPTED, UTF8 = 0x41, 0x800
MOST_NAMED = 200_000                    # members of an archive that is listed at once
SMALL = 1 << 24


@dataclass(frozen=True)
class ZipMember:
    """A member: its name, what it is (``"file"``, ``"folder"`` or another word), its sizes as claimed, its place."""

    name: str
    kind: str
    size: int
    packed: int
    method: int
    crc: int
    offset: int
    raw_name: bytes


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
            self.directory, self.directory_end, self.shift = _find_directory(self.file, self.length, path, what)
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
            member, place = self._record(place)
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

    def _record(self, place):
        fields = RECORD.unpack(self._at(place, RECORD.size))
        flags, method, crc, packed, size = fields[3], fields[4], *fields[7:10]
        name_length, extra_length, comment_length, attributes, offset = *fields[10:13], fields[15], fields[16]
        if fields[0] != b"PK\x01\x02":
            raise damaged(self.path, "its directory holds something else")
        raw_name = self._at(place + RECORD.size, name_length)
        name = raw_name.decode("utf-8", "surrogateescape") if flags & UTF8 else raw_name.decode("cp437")
        if flags & ENCRYPTED:
            raise FmdiagError(f"{self.path}: member {name!r} is encrypted: unpack the archive yourself")
        extra = self._at(place + RECORD.size + name_length, extra_length)
        size, packed, offset = _wide(extra, size, packed, offset, self.path)
        kind = _kind(name, attributes >> 16)
        member = ZipMember(name, kind, size, packed, method, crc, offset + self.shift, raw_name)
        return member, place + RECORD.size + name_length + extra_length + comment_length

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
        return isinstance(error, _DamagedZipError)


class _DamagedZipError(FmdiagError):
    """A zip whose end is there and leads nowhere."""


def _find_directory(file, length, path, what):
    """Return (first byte, end) of the directory, and by how much all offsets are shifted by what precedes the zip."""
    tail_start = max(0, length - (1 << 16) - 22)
    file.seek(tail_start)
    tail = file.read(length - tail_start)
    place = tail.rfind(END)
    while place >= 0 and len(tail) - place < 22:
        place = tail.rfind(END, 0, place)
    if place < 0:
        raise damaged(path, f"not a {what}, or one without its end")
    disks, size, offset = struct.unpack_from("<2H", tail, place + 4), *struct.unpack_from("<2I", tail, place + 12)
    end = tail_start + place
    if 0xFFFFFFFF in (size, offset) or tail[max(0, place - 20): place][:4] == LOCATOR64:
        size, offset, end = _wide_end(file, end, size, offset, path)
    start = end - size
    shift = start - offset
    if any(disk not in (0, 0xFFFF) for disk in disks) or start < 0 or shift < 0:
        raise damaged(path, "its directory is not where its end says", _DamagedZipError)
    return start, end, shift


def _wide_end(file, end, size, offset, path):
    """Return (size, offset, end) of the directory of a zip with 64-bit fields, whose record precedes the locator.

    Readers that follow the locator instead must come to the same record.
    """
    place = end - 20 - 56
    if place < 0:
        raise damaged(path, "its 64-bit end is missing", _DamagedZipError)
    file.seek(place)
    record, locator = file.read(56), file.read(20)
    if record[:4] != END64 or locator[:4] != LOCATOR64:
        raise damaged(path, "its 64-bit end is missing", _DamagedZipError)
    size, offset = struct.unpack_from("<2Q", record, 40)
    shift = place - size - offset
    if int.from_bytes(locator[8:16], "little") + shift != place:
        raise damaged(path, "it has two ends", _DamagedZipError)
    return size, offset, place


def _wide(extra, size, packed, offset, path):
    """Return the three fields, each read from the 64-bit extra field where it says so."""
    values = [size, packed, offset]
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        body, extra = extra[4: 4 + length], extra[4 + length:]
        if kind == 1:
            for k, value in enumerate(values):
                if value == 0xFFFFFFFF:
                    if len(body) < 8:
                        raise damaged(path, "a size of 64 bits is missing")
                    values[k], body = int.from_bytes(body[:8], "little"), body[8:]
            break
    return values


def _kind(name, mode):
    form = stat.S_IFMT(mode)
    if form == stat.S_IFLNK:
        return "symbolic link"
    if form not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "device or pipe"
    return "folder" if name.endswith("/") or form == stat.S_IFDIR else "file"


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

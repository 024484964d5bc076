"""Directory of a zip archive: where it lies, and the members that its records name.

Offsets and sizes are checked against the file; archives with 64-bit fields, and with other bytes before them, are read.
"""

import stat
import struct
from dataclasses import dataclass

from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import damaged

END, END64, LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
RECORD = struct.Struct("<4s6H3I5H2I")
ENCRYPTED, UTF8 = 0x41, 0x800


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


class DamagedZipError(FmdiagError):
    """A zip whose end is there and leads nowhere."""


def find_directory(file, length, path, what):
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
        raise damaged(path, "its directory is not where its end says", DamagedZipError)
    return start, end, shift


def _wide_end(file, end, size, offset, path):
    """Return (size, offset, end) of the directory of a zip with 64-bit fields, whose record precedes the locator.

    Readers that follow the locator instead must come to the same record.
    """
    place = end - 20 - 56
    if place < 0:
        raise damaged(path, "its 64-bit end is missing", DamagedZipError)
    file.seek(place)
    record, locator = file.read(56), file.read(20)
    if record[:4] != END64 or locator[:4] != LOCATOR64:
        raise damaged(path, "its 64-bit end is missing", DamagedZipError)
    size, offset = struct.unpack_from("<2Q", record, 40)
    shift = place - size - offset
    if int.from_bytes(locator[8:16], "little") + shift != place:
        raise damaged(path, "it has two ends", DamagedZipError)
    return size, offset, place


def read_record(at, place, shift, path):
    """Return (ZipMember, place of the next record) of a directory's record.

    Parameters
    ----------
    at : callable
        Returns the bytes of the file at (place, length).
    place : int
        Where the record begins.
    shift : int
        Bytes that precede the archive in the file.
    path : path
        The file, for messages.
    """
    fields = RECORD.unpack(at(place, RECORD.size))
    flags, method, crc, packed, size = fields[3], fields[4], *fields[7:10]
    name_length, extra_length, comment_length, attributes, offset = *fields[10:13], fields[15], fields[16]
    if fields[0] != b"PK\x01\x02":
        raise damaged(path, "its directory holds something else")
    raw_name = at(place + RECORD.size, name_length)
    name = raw_name.decode("utf-8", "surrogateescape") if flags & UTF8 else raw_name.decode("cp437")
    if flags & ENCRYPTED:
        raise FmdiagError(f"{path}: member {name!r} is encrypted: unpack the archive yourself")
    extra = at(place + RECORD.size + name_length, extra_length)
    size, packed, offset = _wide(extra, size, packed, offset, path)
    member = ZipMember(name, _kind(name, attributes >> 16), size, packed, method, crc, offset + shift, raw_name)
    return member, place + RECORD.size + name_length + extra_length + comment_length


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

"""Members of a tar archive, plain or packed by gzip, bzip2 or xz: read once, forwards, a header at a time.

Knows ustar, GNU's long names and 64-bit sizes, and pax headers (``path`` and ``size``). Links, devices, pipes and
sparse files are told apart by `TarMember.kind`; long names and pax headers are bounded.
"""

import os
from dataclasses import dataclass

from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import AT_ONCE, damaged, open_unpacked, read_exactly

BLOCK = 512
LONGEST_HEADER = 1 << 16   # bytes of a long name or of a pax header
MOST_HEADERS = 8           # extended headers in a row before one member
REGULAR, FOLDER = b"0\x007", b"5"
OTHERS = {b"1": "hard link", b"2": "symbolic link", b"3": "device", b"4": "device", b"6": "named pipe",
          b"S": "sparse file"}


@dataclass(frozen=True)
class TarMember:
    """A member: its name, ``"file"``, ``"folder"`` or another word, its size; `read(n)` gives its bytes."""

    name: str
    kind: str
    size: int
    read: object


def tar_members(path):
    """Yield the TarMembers of an archive in its order; each may be read until the next is asked for.

    Raises
    ------
    FmdiagError
        If it is no regular file or no tar, ends early, is damaged, or unpacks to too much.
    """
    with open_unpacked(path, "tar archive") as stream:
        first = True
        while (header := _header(stream, path, first)) is not None:
            name, kind, size = header
            stream.budget.enter(name)
            stream.budget.foresee(size)
            body = _Body(stream, size, path)
            yield TarMember(name, kind, size, body.read)
            body.skip()
            first = False
        while stream.read(AT_ONCE):  # to the end, where checksums are
            pass


class _Body:
    """The bytes of a member, and the padding after them."""

    def __init__(self, stream, size, path):
        self.stream, self.left, self.padding, self.path = stream, size, -size % BLOCK, path

    def read(self, n_bytes):
        """Return at most `n_bytes`; b"" at the end."""
        data = self.stream.read(min(n_bytes, self.left)) if self.left else b""
        if self.left and not data:
            raise damaged(self.path, "it ends within a member")
        self.left -= len(data)
        return data

    def skip(self):
        """Go to the next header."""
        while self.left:
            self.read(AT_ONCE)
        read_exactly(self.stream, self.padding, self.path)


def _header(stream, path, first):
    """Return (name, kind, size) of the next member, or None at the end of the archive."""
    given = {}
    for _ in range(MOST_HEADERS):
        block = _block(stream, path, first)
        if block is None or not any(block):
            if given or (block is None and first):
                raise damaged(path, "it holds no members" if first else "it ends within a member's headers")
            return None
        _check_sum(block, path)
        kind, size = block[156:157], _number(block[124:136], path)
        if kind in b"LKxg" and kind:
            given |= _extended(kind, _long(stream, size, path), path)
            continue
        name = given.get("path", _plain_name(block))
        kind = _kind(kind, name)
        size = given.get("size", size) if kind in ("file", "sparse file") else 0
        return name, kind, size
    raise damaged(path, f"more than {MOST_HEADERS} headers before a member")


def _block(stream, path, first):
    start = stream.read(BLOCK)
    if not start:
        return None
    block = bytes(start + read_exactly(stream, BLOCK - len(start), path))
    if first and any(block) and block[148:156].strip(b" \0") == b"":
        raise damaged(path, "not a tar archive")
    return block


def _check_sum(block, path):
    blank = block[:148] + b" " * 8 + block[156:]
    signed = sum(blank) - 256 * sum(byte > 127 for byte in blank)
    if _number(block[148:156], path) not in (sum(blank), signed):
        raise damaged(path, "not a tar archive, or a header fails its checksum")


def _number(field, path):
    """Return a number in octal, or in base 256 as GNU writes large ones."""
    try:
        value = int.from_bytes(field[1:], "big") if field[0] == 0x80 else int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 62:
        raise damaged(path, "a header holds no number where one must be")
    return value


def _long(stream, size, path):
    if size > LONGEST_HEADER:
        raise FmdiagError(f"{path}: a member's name or header of {size} bytes, more than {LONGEST_HEADER}: archive "
                          "refused; pack it again with shorter names")
    body = bytes(read_exactly(stream, size, path))
    read_exactly(stream, -size % BLOCK, path)
    return body


def _extended(kind, body, path):
    """Return what an extended header says of the member that follows: its path, its size."""
    if kind == b"L":
        return {"path": os.fsdecode(body.split(b"\0")[0])}
    if kind == b"K":
        return {}
    found = {}
    while body.strip(b"\0"):
        length, space, _ = body.partition(b" ")
        if not (space and length.isdigit() and len(length) < 7 and len(length) + 3 <= int(length) <= len(body)):
            raise damaged(path, "a pax header is not readable")
        word, _, value = body[len(length) + 1: int(length) - 1].partition(b"=")
        body = body[int(length):]
        if word.startswith(b"GNU.sparse") or (kind == b"g" and word in (b"path", b"size")):
            raise FmdiagError(f"{path}: a sparse file, or one name for all members: archive refused; pack it again")
        if word == b"path":
            found["path"] = os.fsdecode(value)
        elif word == b"size":
            found["size"] = _pax_size(value, path)
    return found


def _pax_size(value, path):
    if not value.isdigit() or len(value) > 18:
        raise damaged(path, "a pax header holds no number where one must be")
    return int(value)


def _plain_name(block):
    name = block[:100].split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return os.fsdecode(prefix + b"/" + name if prefix else name)


def _kind(kind, name):
    if kind in FOLDER and kind or (kind == b"\0" and name.endswith("/")):
        return "folder"
    return "file" if kind in REGULAR and kind else OTHERS.get(kind, f"member of type {ascii(kind)[2:-1]}")

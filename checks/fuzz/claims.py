"""Hostile claims, links and nesting: headers that lie with right checksums, packed content within packed content.

Mutations as in `checks.fuzz.mutations`, which damages bytes: here every header is one that a reader accepts.
"""

import gzip
import io
import json
import lzma
import struct
import tarfile
import zipfile
import zlib

from checks.fuzz.mutations import BYTES, NUMBERS, TEXT, WORDS, mutated, mutated_object

PNG, SMALL = b"\x89PNG\r\n\x1a\n", 4 << 20
LINKS = ("..", ".", "/", "/etc/passwd", "/dev/zero", "/dev/stdin", "a.png", "loop", "../outside", "../outside/points.npy",
         "nowhere", "x" * 300, "top/../..", "é")


def claimed(data, rng, other):
    """Return a picture, an archive or an array whose header claims another size, depth or place."""
    if data[:8] == PNG:
        return _png(data, rng)
    if data[:2] == b"PK":
        return _zip(data, rng)
    if data[:2] == b"\x1f\x8b":
        return data[:-4] + struct.pack("<I", rng.choice(NUMBERS) % 2**32)
    if data[257:262] == b"ustar":
        return _tar(data, rng)
    return mutated(data, rng, other, TEXT)


def _png(data, rng):
    header = bytearray(data[16:29])
    field = rng.choice((0, 4, 8))
    if field < 8:
        header[field : field + 4] = struct.pack(">I", rng.choice(NUMBERS) % 2**32)
    else:
        header[rng.randrange(8, 13)] = rng.randrange(256)
    return data[:16] + bytes(header) + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:]


def _zip(data, rng):
    """Change what the central directory, or the local header, says of one member: sizes, place, method, attributes."""
    kind, fields = rng.choice(((b"PK\x01\x02", (8, 10, 16, 20, 24, 28, 38, 42)), (b"PK\x03\x04", (6, 8, 14, 18, 22, 26))))
    start, at = data.find(kind), rng.choice(fields)
    size = 2 if at in (6, 8, 10, 26, 28) else 4
    # 0xA1FF0000 is the mode of a link.
    value = rng.choice((*NUMBERS, 0xA1FF0000)) % 2 ** (8 * size)
    return data[: start + at] + value.to_bytes(size, "little") + data[start + at + size :]


def _tar(data, rng):
    """Change the size or the kind of the first member, its checksum right."""
    header = bytearray(data[:512])
    if rng.random() < 0.6:
        header[124:136] = f"{rng.choice(NUMBERS) % 8**11:011o}\0".encode()
    else:
        header[156:157] = rng.choice((b"1", b"2", b"3", b"6", b"L", b"K", b"x", b"g", b"S"))
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    return bytes(header) + data[512:]


def nested(data, rng, other):
    """Return content within one to three layers of compression, or much of nothing in few bytes."""
    if rng.random() < 0.3:
        data = bytes(rng.choice((1 << 16, SMALL)))
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice((_gzipped, _in_zip, _in_tar, lzma.compress))(data)
    return data


def _gzipped(data):
    return gzip.compress(data, mtime=0)


def _in_zip(data):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("train.npy"), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _in_tar(data):
    return _tar_of([("train.npy", tarfile.REGTYPE, "", data)])


def _tar_of(members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind, link, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def linked(data, rng, other):
    """Return a tar that stands for a folder, with a few more entries: links of both kinds, pipes, folders, copies."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [(info.name, info.type, info.linkname, archive.extractfile(info).read() if info.isfile() else b"")
                   for info in archive]
    names = [name for name, *_ in members]
    for _ in range(rng.choice((1, 1, 2, 4))):
        name = rng.choice((rng.choice(names), "new.png", "new", "loop", "sub/new.png", "labels.csv", "é.png", "train/a.png"))
        kind = rng.choice((tarfile.SYMTYPE,) * 4 + (tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.REGTYPE))
        content = mutated(members[0][3], rng, other, BYTES) if kind == tarfile.REGTYPE else b""
        members.append((name, kind, rng.choice((*LINKS, *names)), content))
    return _tar_of(members)


def document(data, rng, other):
    """Return a JSON document in which one place holds something else, or with damaged text."""
    if rng.random() < 0.4:
        return mutated(data, rng, other, TEXT)
    value = mutated_object(json.loads(data), rng)
    if rng.random() < 0.2:
        value = mutated_object(value, rng)
    return json.dumps(value, default=str, skipkeys=True).encode()


def strange(content, rng):
    """Return a checkpoint's content that names another source of data, or rows held out elsewhere."""
    recorded = dict(content["dataset"])
    sources = (*LINKS, *WORDS[:14], "~/points.npy", "~nobody/x", "cifar10", "celeba", "imagenette", "https://127.0.0.1/x.npy",
               "two-moons-1000000000000", "gaussian-1000000000-2", "gaussian-0-0", "link.npy", "folder", "loop.npy",
               "pipe", "points.npy", "./points.npy", 3, None, ["points.npy"], {"a": 1}, float("nan"))
    recorded[rng.choice(("source", "source", "held_out"))] = rng.choice(sources)
    if rng.random() < 0.3:
        recorded = mutated_object(recorded, rng)
    return {**content, "dataset": recorded}

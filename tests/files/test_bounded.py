"""The bounded reader against Python's own modules, and on what they would unpack without an end."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmdiag.errors import FmdiagError
from fmdiag.files import bounded
from fmdiag.files.bounded import Budget, Unpacked, open_unpacked, read_exactly
from fmdiag.files.tars import tar_members
from fmdiag.files.zips import Zip, is_zip

PACK = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "stored": bytes}
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=30)
MEMBERS = st.dictionaries(NAMES, st.binary(max_size=2000), min_size=1, max_size=5)
MIB = 1 << 20


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=3), st.sampled_from(sorted(PACK)), st.integers(1, 5000))
def test_streams_are_what_was_packed(parts, method, at_a_time):
    packed = b"".join(PACK[method](part) for part in parts) + (b"" if method == "stored" else bytes(512))
    stream = Unpacked(io.BytesIO(packed), method, Budget("a", len(packed)), several=method != "stored")
    found = b"".join(iter(lambda: stream.read(at_a_time), b""))
    assert found == b"".join(parts) and stream.budget.spent == len(found)


@pytest.mark.parametrize("method", ["deflate", *sorted(PACK)])
def test_streams_that_unpack_to_much_from_little_end_where_they_should(method):
    """zlib holds output back where it gave all that was asked for, although no input is left."""
    pack = {**PACK, "deflate": lambda data: zlib.compress(data, wbits=-15)}[method]
    for length in range(bounded.CHUNK - 36, bounded.CHUNK + 664, 2):
        packed = pack(bytes(100) + b"\xff" * (length - 100))
        stream = Unpacked(io.BytesIO(packed), method, Budget("a", len(packed)), length=len(packed))
        assert len(read_exactly(stream, length, "a")) == length and stream.read() == b""


@given(MEMBERS, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]),
       st.booleans())
def test_zips_are_read_as_zipfile_reads_them(tmp_path_factory, contents, method, prefixed):
    path = tmp_path_factory.getbasetemp() / "given.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    if prefixed:
        path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    with zipfile.ZipFile(path) as theirs, Zip(path) as ours:
        found = ours.by_name()
        assert list(found) == theirs.namelist()
        assert {name: ours.read(found[name]) for name in found} == {name: theirs.read(name) for name in found}
    assert is_zip(path)


@given(MEMBERS, st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]), st.sampled_from(["gz", "bz2", "xz", ""]))
@settings(deadline=None)
def test_tars_are_read_as_tarfile_reads_them(tmp_path_factory, contents, form, packing):
    path = tmp_path_factory.getbasetemp() / "given.tar"
    with tarfile.open(path, f"w:{packing}", format=form) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{'folder/' * 20}{name}")  # too long for the plain header
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with tarfile.open(path) as theirs:
        expected = [(member.name, theirs.extractfile(member).read()) for member in theirs]
    found = [(member.name, b"".join(iter(lambda: member.read(100), b""))) for member in tar_members(path)]  # noqa: B023
    assert found == expected


@given(st.data(), st.sampled_from(["a.zip", "a.tar", "a.tar.gz", "a.tar.xz", "a.tar.bz2"]))
@settings(deadline=None, max_examples=200)
def test_whatever_an_archive_says_what_is_held_is_bounded(tmp_path_factory, data, name):
    """Bytes of an honest archive are changed: read, or refused in a line, and never more held than the bound."""
    path = tmp_path_factory.getbasetemp() / name
    content = bytearray(_archive(name))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        new = data.draw(st.one_of(st.binary(min_size=1, max_size=8), st.just(b"\xff" * 8)))
        content[place : place + len(new)] = new
    path.write_bytes(content)
    tracemalloc.start()
    try:
        _read_all(path)
    except FmdiagError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 16 * MIB  # of it, xz takes 8 for its dictionary


def _archive(name):
    stream = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.bin", bytes(3000))
            archive.writestr("b.bin", b"abc")
    else:
        with tarfile.open(fileobj=stream, mode=f"w:{name.partition('tar')[2].lstrip('.')}") as archive:
            for member, content in (("x" * 120, bytes(3000)), ("b.bin", b"abc")):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _read_all(path):
    if path.suffix == ".zip":
        with Zip(path) as archive:
            for member in archive.members():
                with archive.open(member) as stream:
                    while stream.read(MIB):
                        pass
    else:
        for member in tar_members(path):
            while member.read(MIB):
                pass


@pytest.mark.parametrize("method", ["gzip", "bzip2", "xz"])
def test_fault_5_6_a_stream_stops_at_its_budget(method, tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "FREE", 4 * MIB)
    (tmp_path / "a").write_bytes(PACK[method](bytes(16 * MIB)))
    monkeypatch.setattr(bounded, "RATIO", 2)
    tracemalloc.start()
    with open_unpacked(tmp_path / "a") as stream, pytest.raises(FmdiagError, match="decompression bomb"):
        while stream.read(1 << 40):
            pass
    assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    tracemalloc.stop()
    assert stream.budget.spent <= 4 * MIB + MIB


def tar_header(name, size, kind=b"0"):
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g"])
def test_fault_5_6_a_name_or_header_of_gigabytes_is_not_held(kind, tmp_path):
    stream = bz2.compress(tar_header("a", 3 << 30, kind) + bytes(1 << 20))
    (tmp_path / "a.tar.bz2").write_bytes(stream)
    tracemalloc.start()
    with pytest.raises(FmdiagError, match="name or header of 3221225472 bytes"):
        list(tar_members(tmp_path / "a.tar.bz2"))
    assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    tracemalloc.stop()


@pytest.mark.parametrize("kind", [b"L", b"x"])
def test_headers_without_an_end_are_refused(kind, tmp_path):
    body = b"9 path=a\n" if kind == b"x" else b"a"
    block = tar_header("a", len(body), kind) + body.ljust(512, b"\0")
    (tmp_path / "a.tar").write_bytes(block * 1000)
    with pytest.raises(FmdiagError, match="more than 8 headers before a member"):
        list(tar_members(tmp_path / "a.tar"))


def test_fault_5_6_members_are_counted_before_they_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "FREE_ENTRIES", 200)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:xz", preset=0) as archive:
        for k in range(2000):
            archive.addfile(tarfile.TarInfo(f"{k}.png"))
    (tmp_path / "a.tar.xz").write_bytes(stream.getvalue())
    with pytest.raises(FmdiagError, match="hold more than 224 members"):
        list(tar_members(tmp_path / "a.tar.xz"))


def test_a_dictionary_of_a_gigabyte_is_refused(tmp_path):
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 12}]
    packed = bytearray(lzma.compress(bytes(1000), lzma.FORMAT_XZ, filters=filters))
    packed[16] = 36  # of the block's header: the dictionary's size, 1 GiB
    packed[20:24] = struct.pack("<I", zlib.crc32(packed[12:20]))
    (tmp_path / "a.xz").write_bytes(packed)
    with open_unpacked(tmp_path / "a.xz") as stream, pytest.raises(FmdiagError, match="of more than 128 MiB"):
        stream.read(10)


def test_a_member_longer_or_shorter_than_it_says_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(100))
    data = bytearray((tmp_path / "a.zip").read_bytes())
    place = data.rfind(b"PK\x01\x02")
    for size in (99, 101, 0, 2**32 - 2):
        data[place + 24 : place + 28] = struct.pack("<I", size)
        (tmp_path / "b.zip").write_bytes(data)
        with Zip(tmp_path / "b.zip") as archive, pytest.raises(FmdiagError, match="b.zip"):
            archive.read(next(archive.members()), at_most=2**33)


def test_two_members_of_one_name_and_a_renamed_member(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    with Zip(tmp_path / "a.zip") as archive, pytest.raises(FmdiagError, match="two members 'a'"):
        archive.by_name()
    data = (tmp_path / "a.zip").read_bytes().replace(b"a1PK", b"b1PK")
    (tmp_path / "b.zip").write_bytes(data)
    with Zip(tmp_path / "b.zip") as archive, pytest.raises(FmdiagError, match="another name"):
        archive.read(next(archive.members()))


@pytest.mark.parametrize("limit", ["ZIP_FILECOUNT_LIMIT", "ZIP64_LIMIT"])
def test_a_zip_with_64_bit_fields(limit, tmp_path, monkeypatch):
    """As zipfile writes them from 65 536 members and from 2 GiB on; here its limits are lowered."""
    monkeypatch.setattr(zipfile, limit, 1)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for k in range(3):
            archive.writestr(str(k), b"abc")
    assert b"PK\x06\x06" in (tmp_path / "a.zip").read_bytes()
    with Zip(tmp_path / "a.zip") as archive:
        found = [(member.name, archive.read(member)) for member in archive.members()]
    assert found == [(str(k), b"abc") for k in range(3)]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path),
                                  lambda path: os.symlink("/dev/null", path), lambda path: None])
def test_only_regular_files_are_read(make, tmp_path):
    make(tmp_path / "a")
    assert not is_zip(tmp_path / "a")
    with pytest.raises(FmdiagError, match="give a regular file|no such"):
        open_unpacked(tmp_path / "a")


def test_read_exactly_does_not_make_room_for_what_is_not_there():
    tracemalloc.start()
    with pytest.raises(FmdiagError, match="ends early"):
        read_exactly(io.BytesIO(bytes(1000)), 1 << 40, "a")
    assert tracemalloc.get_traced_memory()[1] < MIB
    tracemalloc.stop()

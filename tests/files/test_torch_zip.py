"""A torch file whose archive says one thing to torch and another to other readers, or becomes more than it is."""

import struct
import zipfile

import pytest
import torch

from fmdiag.checkpoints.file import read_torch_file
from fmdiag.errors import FmdiagError
from fmdiag.files.torch_zip import check_records


@pytest.fixture
def saved(tmp_path):
    torch.save({"w": torch.zeros(100)}, tmp_path / "a.pt")
    return tmp_path / "a.pt"


def copied(saved, change, method=zipfile.ZIP_STORED):
    path = saved.with_name("b.pt")
    with zipfile.ZipFile(saved) as good, zipfile.ZipFile(path, "w", method) as bad:
        for name in good.namelist():
            for new, content in change(name, good.read(name)):
                bad.writestr(new, content)
    return path


def test_an_honest_file_is_read_and_its_records_are_known(saved):
    assert 400 in check_records(saved)
    assert read_torch_file(saved)["w"].shape == (100,)


def test_fault_5_6_a_packed_record_is_refused_before_torch_makes_room(saved):
    path = copied(saved, lambda name, content: [(name, bytes(9 << 25) if name.endswith("data/0") else content)],
                  zipfile.ZIP_DEFLATED)
    with pytest.raises(FmdiagError, match="b.pt: .* would unpack to at least 30.* decompression bomb"):
        read_torch_file(path)


def test_records_that_overlap_are_refused(saved):
    content = bytearray(copied(saved, lambda name, content: [(name, content)] + [
        (f"{name}{k}", content) for k in range(9) if name.endswith("data/0")]).read_bytes())
    place = content.find(b"PK\x01\x02")
    while place >= 0:
        if content[place + 24 : place + 28] == struct.pack("<I", 400):
            content[place + 20 : place + 28] = struct.pack("<2I", 4000, 4000)
        place = content.find(b"PK\x01\x02", place + 4)
    saved.write_bytes(content)
    with pytest.raises(FmdiagError, match="they overlap: refused"):
        read_torch_file(saved)


def test_names_that_differ_in_case_only_are_refused(saved):
    path = copied(saved, lambda name, content: [(name, content), (name.upper(), content)])
    with pytest.raises(FmdiagError, match="names differ in case only: refused"):
        read_torch_file(path)


def test_bytes_before_the_archive_are_refused(saved):
    saved.write_bytes(b"#!" + saved.read_bytes())
    with pytest.raises(FmdiagError, match="other bytes before it: refused"):
        read_torch_file(saved)


def test_an_archive_with_two_ends_is_refused(saved, monkeypatch):
    """Its 64-bit locator, which torch follows, leads elsewhere than to the record before it."""
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    path = copied(saved, lambda name, content: [(name, content)])
    assert read_torch_file(path)["w"].shape == (100,)
    content = bytearray(path.read_bytes())
    place = content.rfind(b"PK\x06\x07") + 8
    content[place : place + 8] = struct.pack("<Q", 4)
    path.write_bytes(content)
    with pytest.raises(FmdiagError, match="it has two ends"):
        read_torch_file(path)

import contextlib
import io
import os
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from checks.hostile.escaping_tar import ESCAPES, write
from fmdiag.datasets import load_dataset
from fmdiag.datasets.extract import unpacked
from fmdiag.errors import FmdiagError


def picture(k):
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), k, np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


PICTURES = [(f"top/{part}/{k}.png", picture(k)) for part in ("train", "test") for k in range(3)]


@pytest.mark.parametrize(("name", "pack"), [
    ("a.zip", zipped), ("a.tar.gz", tar), ("a.tgz", tar), ("a.tar", lambda path, m: tar(path, m, "w")),
    ("a.tar.xz", lambda path, m: tar(path, m, "w:xz")),
])
def test_an_archive_is_read_like_its_folder(name, pack, tmp_path):
    train = load_dataset(pack(tmp_path / name, PICTURES))
    assert train.rows[:, 0, 0, 0].tolist() == [0, 1, 2] and train.held_out.n == 3


BAD_NAMES = ["../out.png", "top/../../out.png", "/tmp/fmdiag-out.png", "..\\out.png", "C:\\out.png"]


@pytest.mark.parametrize("bad", BAD_NAMES)
@pytest.mark.parametrize(("name", "pack"), [("a.zip", zipped), ("a.tar.gz", tar)])
def test_an_archive_with_a_path_that_leaves_is_refused(name, pack, bad, tmp_path, data_root):
    archive = pack(tmp_path / name, [("ok.png", picture(0)), (bad, picture(1))])
    with pytest.raises(FmdiagError, match=f"{name}: member .* outside its folder: archive refused"):
        load_dataset(archive)
    assert list(data_root.glob(".cache/*")) == []
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {name}


@pytest.mark.parametrize(("kind", "target"), [
    (tarfile.SYMTYPE, "/etc"), (tarfile.SYMTYPE, "../../.."), (tarfile.LNKTYPE, "../../etc/passwd"),
    (tarfile.LNKTYPE, "/etc/passwd"), (tarfile.CHRTYPE, ""),
])
def test_a_tar_link_that_leaves_is_refused(kind, target, tmp_path, data_root):
    archive = tar(tmp_path / "a.tar.gz", [("ok.png", picture(0)), (link("way-out", target, kind), b"")])
    with pytest.raises(FmdiagError, match="way-out.*archive refused"):
        load_dataset(archive)
    assert list(data_root.glob(".cache/*")) == []


def test_a_zip_link_is_refused(tmp_path):
    member = zipfile.ZipInfo("way-out")
    member.external_attr = 0o120777 << 16
    with pytest.raises(FmdiagError, match="way-out.*archive refused"):
        load_dataset(zipped(tmp_path / "a.zip", [(member, "/etc")]))


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
@pytest.mark.parametrize(("name", "pack"), [("a.zip", zipped), ("a.tar.gz", tar),
                                            ("a.tar.xz", lambda path, m: tar(path, m, "w:xz"))])
def test_a_truncated_archive_is_named(name, pack, share, tmp_path, data_root):
    noise = np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8).tobytes()
    archive = pack(tmp_path / name, [*PICTURES, ("noise.bin", noise)])
    content = archive.read_bytes()
    archive.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FmdiagError, match=f"{name}: truncated or damaged"):
        load_dataset(archive)
    assert list(data_root.glob(".cache/*")) == []


def test_an_archive_is_unpacked_once(tmp_path):
    archive = zipped(tmp_path / "a.zip", PICTURES)
    folder = unpacked(archive, tmp_path / "cache")
    (folder / "mark").touch()
    assert (unpacked(archive, tmp_path / "cache") / "mark").exists()


@pytest.mark.parametrize("escape", ESCAPES, ids=lambda escape: escape.__name__)
def test_fault_5_3_links_that_pass_pythons_filter_are_refused(escape, tmp_path, data_root):
    (tmp_path / "outside").mkdir()
    write(escape, tmp_path / "a.tar", tmp_path / "outside")
    with pytest.raises(FmdiagError, match=r"a.tar: member '[a-z.]+' is a (symbolic|hard) link: archive refused"):
        load_dataset(tmp_path / "a.tar")
    assert list((tmp_path / "outside").iterdir()) == [] == list(data_root.glob(".cache/*"))


def test_fault_5_3_the_tar_that_escapes_does_escape_past_pythons_filter(tmp_path):
    """On the Pythons whose filter can be passed; the archive is made to be refused, and this shows that it need be."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "inside").mkdir()
    path = write(ESCAPES[0], tmp_path / "a.tar", tmp_path / "outside")
    with tarfile.open(path) as archive, contextlib.suppress(tarfile.TarError, OSError):
        for member in archive:
            archive.extract(member, tmp_path / "inside", filter="data")
    if sys.version_info < (3, 11, 13):
        assert (tmp_path / "outside/written.png").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE,
                                  tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, b"V", b"Z"])
def test_fault_5_3_regular_files_and_folders_only(kind, tmp_path, data_root):
    """A link within the archive too: nobody needs one. A contiguous file (b"7") is a regular one."""
    last = (link("2.png", "0.png", kind), b"")
    archive = tar(tmp_path / "a.tar", [("0.png", picture(0)), ("1.png", picture(1)), last])
    if kind == tarfile.CONTTYPE:
        with pytest.raises(FmdiagError, match="unreadable picture"):
            load_dataset(archive)
        return
    with pytest.raises(FmdiagError, match="member '2.png' is a .*: archive refused"):
        load_dataset(archive)
    assert list(data_root.glob(".cache/*")) == []


HOSTILE_NAMES = ["a/" * 65 + "x.png", "n" * 256 + ".png", "x" * 100 + "/" + "y" * 940, "a\\b.png", "d:x.png", "/x.png",
                 "a/../x.png", "..", "0.png/x.png", "0.PNG", "0.png"]


@pytest.mark.parametrize("bad", HOSTILE_NAMES)
@pytest.mark.parametrize(("name", "pack"), [("a.zip", zipped), ("a.tar", tar)])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_fault_5_3_names_that_are_absolute_climb_or_come_twice(name, pack, bad, tmp_path, data_root):
    with pytest.raises(FmdiagError, match="archive refused"):
        load_dataset(pack(tmp_path / name, [("0.png", picture(0)), (bad, picture(1))]))
    assert list(data_root.glob(".cache/*")) == []


@pytest.mark.parametrize(("one", "other"), [("caf\u00e9/0.png", "cafe\u0301/1.png"), ("Class/0.png", "class/1.png"),
                                            ("stra\u00dfe.png", "STRASSE.png"), ("a", "a/0.png"), ("a/0.png", "A")])
def test_fault_5_3_two_names_that_some_systems_take_for_one(one, other, tmp_path, data_root):
    with pytest.raises(FmdiagError, match="archive refused"):
        load_dataset(zipped(tmp_path / "a.zip", [(one, picture(0)), (other, picture(1))]))
    assert list(data_root.glob(".cache/*")) == []


def test_fault_5_3_a_zip_member_with_a_nul_in_its_name(tmp_path):
    zipped(tmp_path / "a.zip", [("0.png", picture(0)), ("1.pngX../y", picture(1))])
    content = (tmp_path / "a.zip").read_bytes().replace(b"1.pngX", b"1.png\0")
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(FmdiagError, match="no name that a file may have: archive refused"):
        load_dataset(tmp_path / "a.zip")


def test_names_that_are_no_utf8_are_unpacked(tmp_path):
    name = os.fsdecode(b"\xff\xfe.png")
    assert load_dataset(tar(tmp_path / "a.tar", [(name, picture(0)), ("1.png", picture(1))])).n == 2


def test_entries_for_folders_and_the_top_folder_itself(tmp_path):
    members = [(folder("./"), b""), (folder("./top"), b""), ("./top/0.png", picture(0)), (folder("./top"), b"")]
    assert load_dataset(tar(tmp_path / "a.tar", members)).n == 1


def folder(name):
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE
    return member


def test_an_archive_without_anything_to_read_leaves_nothing(tmp_path, data_root):
    with pytest.raises(FmdiagError, match="a.zip: holds no file that a reader knows"):
        load_dataset(zipped(tmp_path / "a.zip", [("readme.txt", b"")]))
    assert list(data_root.glob(".cache/*")) == []

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

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
    assert list((data_root / ".cache").iterdir()) == []
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {name}


@pytest.mark.parametrize(("kind", "target"), [
    (tarfile.SYMTYPE, "/etc"), (tarfile.SYMTYPE, "../../.."), (tarfile.LNKTYPE, "../../etc/passwd"),
    (tarfile.LNKTYPE, "/etc/passwd"), (tarfile.CHRTYPE, ""),
])
def test_a_tar_link_that_leaves_is_refused(kind, target, tmp_path, data_root):
    archive = tar(tmp_path / "a.tar.gz", [("ok.png", picture(0)), (link("way-out", target, kind), b"")])
    with pytest.raises(FmdiagError, match="way-out.*archive refused"):
        load_dataset(archive)
    assert list((data_root / ".cache").iterdir()) == []


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
    assert list((data_root / ".cache").iterdir()) == []


def test_an_archive_is_unpacked_once(tmp_path):
    archive = zipped(tmp_path / "a.zip", PICTURES)
    folder = unpacked(archive, tmp_path / "cache")
    (folder / "mark").touch()
    assert (unpacked(archive, tmp_path / "cache") / "mark").exists()

"""The cache of decoded pictures: another folder, another file, another content is another entry."""

import contextlib
import io
import os
import re
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fmdiag.datasets import load_dataset
from fmdiag.datasets.readers import images
from fmdiag.datasets.source_files import TICK, SourceFiles
from fmdiag.errors import FmdiagError

TIME = 1_700_000_000 * 10**9


def picture(seed):
    """Return a grey BMP: of one length whatever is in it."""
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (4, 4), dtype=np.uint8)).save(stream, "bmp")
    return stream.getvalue()


def folder_of(path, seed):
    path.mkdir()
    for k in range(3):
        write(path / f"{k}.bmp", picture(seed + k))
    return path


def tar_of(path, seed):
    path.mkdir()
    with tarfile.open(path / "a.tar", "w") as archive:
        for k in range(3):
            member = tarfile.TarInfo(f"{k}.bmp")
            member.size = len(picture(0))
            archive.addfile(member, io.BytesIO(picture(seed + k)))
    os.utime(path / "a.tar", ns=(TIME, TIME))
    return path / "a.tar"


def parquet_of(path, seed):
    path.mkdir()
    table = pa.table({"image": pa.array([picture(seed + k) for k in range(3)], pa.binary())})
    pq.write_table(table, path / "a.parquet", compression="none", use_dictionary=False, write_statistics=False)
    os.utime(path / "a.parquet", ns=(TIME, TIME))
    return path / "a.parquet"


def write(path, content):
    path.write_bytes(content)
    os.utime(path, ns=(TIME, TIME))


def named(path):
    """Return what the cache of 0.1 knew of a file or of a folder's files."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("make", [folder_of, tar_of, parquet_of])
def test_fault_5_5_two_sets_of_equal_names_sizes_and_times_have_two_fingerprints(make, verify, tmp_path):
    one, other = make(tmp_path / "one", 0), make(tmp_path / "other", 100)
    assert named(one) == named(other)
    options = {"verify": True} if verify else {}
    first, second = load_dataset(one, **options), load_dataset(other, **options)
    assert first.fingerprint != second.fingerprint
    assert first.rows[:, 0, 0, 0].tolist() != second.rows[:, 0, 0, 0].tolist()


def test_fault_5_5_an_edit_in_place_with_the_time_kept_is_seen(tmp_path):
    folder = folder_of(tmp_path / "a", 0)
    before, known, inode = load_dataset(folder).fingerprint, named(folder), (folder / "1.bmp").stat().st_ino
    with open(folder / "1.bmp", "r+b") as file:
        file.write(picture(50))
    os.utime(folder / "1.bmp", ns=(TIME, TIME))
    assert named(folder) == known and (folder / "1.bmp").stat().st_ino == inode
    assert load_dataset(folder).fingerprint != before
    assert load_dataset(folder, verify=True).fingerprint == load_dataset(folder).fingerprint


def test_fault_5_5_a_file_replaced_by_another_of_its_times_is_seen(tmp_path):
    folder = folder_of(tmp_path / "a", 0)
    before = load_dataset(folder).fingerprint
    write(tmp_path / "new", picture(50))
    os.replace(tmp_path / "new", folder / "1.bmp")
    assert load_dataset(folder).fingerprint != before


def test_pictures_are_decoded_once(tmp_path, data_root):
    folder = folder_of(tmp_path / "a", 0)
    load_dataset(folder)
    entries = set((data_root / ".cache").iterdir())
    load_dataset(folder)
    assert set((data_root / ".cache").iterdir()) == entries and len(entries) == 1


def test_verified_copies_are_found_by_content(tmp_path, data_root):
    """Another folder of the same pictures, at other times and inodes: one entry."""
    folder, copy = folder_of(tmp_path / "a", 0), folder_of(tmp_path / "b", 0)
    os.utime(copy / "0.bmp")
    assert load_dataset(folder, verify=True).fingerprint == load_dataset(copy, verify=True).fingerprint
    assert len(list((data_root / ".cache").iterdir())) == 1


def test_a_file_that_changes_while_it_is_decoded_is_refused(tmp_path, data_root, monkeypatch):
    from fmdiag.datasets import decoding

    folder = folder_of(tmp_path / "a", 0)
    write(tmp_path / "new.bmp", picture(9))

    def decode_and_change(*arguments, **options):
        with contextlib.suppress(FileNotFoundError):   # once, and whole: pictures are decoded side by side
            os.replace(tmp_path / "new.bmp", folder / "0.bmp")
        return original(*arguments, **options)

    original = decoding.decode_once
    monkeypatch.setattr(decoding, "decode_once", decode_and_change)
    with pytest.raises(FmdiagError, match=re.escape(f"{folder / '0.bmp'}: changed while it was read")):
        load_dataset(folder)
    assert list((data_root / ".cache").iterdir()) == []


def test_a_change_within_one_tick_of_the_clock_is_seen(tmp_path):
    """Change times are those of the last tick: what was written just now is looked at again once the clock moved on."""
    for _ in range(20):
        (tmp_path / "a.bmp").write_bytes(picture(0))
        files = SourceFiles.of([tmp_path / "a.bmp"])
        write(tmp_path / "a.bmp", picture(1))
        os.utime(tmp_path / "a.bmp", ns=(TIME, TIME))
        assert SourceFiles.of([tmp_path / "a.bmp"]).key() != files.key()
    assert TICK >= 10**7  # a kernel of 100 ticks a second


def test_pictures_come_in_the_order_of_their_paths(tmp_path):
    """By the parts of the path, not by its letters: "a" before "a-b", whatever is in them."""
    for name in ("a-b/1.bmp", "a/2.bmp", "a/b/0.bmp", "a.bmp", "b.bmp", ".hidden/0.bmp", "a/.0.bmp", "__MACOSX/0.bmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(picture(0))
    files = images.picture_files(tmp_path)
    assert files.names == ["a/2.bmp", "a/b/0.bmp", "a-b/1.bmp", "a.bmp", "b.bmp"]


def test_a_folder_that_holds_a_link_to_itself_is_entered_once(tmp_path):
    (tmp_path / "a.bmp").write_bytes(picture(0))
    (tmp_path / "loop").symlink_to(tmp_path)
    assert images.picture_files(tmp_path).names == ["a.bmp"]


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_pipe_among_pictures_is_no_picture(skip_bad, tmp_path):
    folder = folder_of(tmp_path / "a", 0)
    os.mkfifo(folder / "9.png")
    if skip_bad:
        with pytest.warns(UserWarning, match="9.png .*named pipe"):
            assert load_dataset(folder, skip_bad=True).n == 3
    else:
        with pytest.raises(FmdiagError, match="9.png: unreadable picture .*named pipe"):
            load_dataset(folder)

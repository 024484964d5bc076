"""Decoding of many pictures: once each, in parts that outlive an interruption, to the same bytes as at one go."""

import csv
import errno
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fmdiag.datasets import decoded as decoded_module
from fmdiag.datasets import decoding, load_dataset, pictures
from fmdiag.datasets.pictures import decode
from fmdiag.datasets.source_files import SourceFiles
from fmdiag.errors import FmdiagError

PART = 4
N = 14
COLOUR = 6   # the first picture that is not grey, in the second part


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(decoded_module, "PART", PART)
    monkeypatch.setattr(decoding, "CHUNK", 2)   # what is lost with the unfinished part


def write(path, k):
    pixels = np.random.default_rng(k).integers(0, 256, (5, 6) if k < COLOUR else (5, 6, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    for k in range(N):
        write(tmp_path / "pictures" / f"{k // 5}" / f"{k:02}.png", k)
    return tmp_path / "pictures"


@pytest.fixture
def decoded(monkeypatch):
    """Return the list of names of the pictures that are opened, which raises where the name is in its `stop`."""
    class Names(list):
        stop = ()

    names, original = Names(), decoding.decode_once

    def watched(source, **options):
        if os.path.basename(source) in names.stop:
            raise KeyboardInterrupt
        names.append(os.path.basename(source))
        return original(source, **options)

    monkeypatch.setattr(decoding, "decode_once", watched)
    return names


def expected(folder, size=None):
    return np.array([decode(path, size=size, grey=False) for path in sorted(folder.rglob("*.png"))])


@pytest.mark.parametrize("size", [None, 3])
def test_each_picture_is_opened_once_and_grey_ones_are_widened(folder, decoded, size):
    read = load_dataset(folder, size=size)
    assert np.array_equal(read.rows, expected(folder, size))
    assert len(decoded) == N == len(set(decoded))
    again = load_dataset(folder, size=size)
    assert again.fingerprint == read.fingerprint and len(decoded) == N
    assert again.rows.tobytes() == read.rows.tobytes() and again.labels.tolist() == read.labels.tolist()


@pytest.mark.parametrize("stop", ["05.png", "07.png", "13.png"])   # before, within and long after the widening part
def test_interrupted_decoding_goes_on_after_the_last_finished_part(folder, decoded, data_root, stop, tmp_path):
    decoded.stop = (stop,)
    with pytest.raises(KeyboardInterrupt):
        load_dataset(folder)
    del decoded[:]
    decoded.stop = ()
    read = load_dataset(folder)
    assert sorted(decoded) == [f"{k:02}.png" for k in range(int(stop[:2]) // PART * PART, N)]
    assert np.array_equal(read.rows, expected(folder))
    assert read.fingerprint == load_dataset(folder, data_root=tmp_path / "another").fingerprint
    assert len(list((data_root / ".cache").iterdir())) == 1


def test_parts_before_a_changed_file_are_kept(folder, decoded):
    decoded.stop = ("13.png",)
    with pytest.raises(KeyboardInterrupt):
        load_dataset(folder)
    decoded.stop = ()
    write(folder / "1" / "06.png", 0)   # the only one in colour of the second part, but for 07, is grey now
    write(folder / "1" / "07.png", 1)
    del decoded[:]
    read = load_dataset(folder)
    assert min(decoded) == "04.png" and np.array_equal(read.rows, expected(folder))
    write(folder / "0" / "01.png", 99)
    assert np.array_equal(load_dataset(folder).rows, expected(folder))


def test_rows_that_turn_grey_before_the_end_have_one_channel(folder, decoded):
    decoded.stop = ("13.png",)
    with pytest.raises(KeyboardInterrupt):
        load_dataset(folder)
    decoded.stop = ()
    for k in range(COLOUR, N):
        write(folder / f"{k // 5}" / f"{k:02}.png", 0)
    assert load_dataset(folder).shape == (1, 5, 6)


def test_a_bad_picture_costs_only_its_part_and_is_listed_in_a_table(folder, decoded, data_root):
    bad = folder / "1" / "09.png"
    bad.write_bytes(bad.read_bytes()[:60])
    with pytest.raises(FmdiagError, match=r"09.png: unreadable picture.*--skip-bad"):
        load_dataset(folder)
    del decoded[:]
    with pytest.warns(UserWarning, match="left out 1 unreadable: .*09.png.*all are listed in .*skipped.csv"):
        read = load_dataset(folder, skip_bad=True)
    assert min(decoded) == "08.png" and read.n == N - 1
    entry, = (data_root / ".cache").iterdir()
    with open(entry / "skipped.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["position"], line["picture"]) for line in lines] == [("9", str(bad))] and lines[0]["reason"]
    write(bad, 9)
    assert np.array_equal(load_dataset(folder).rows, expected(folder))   # what was left out counts only with skip_bad


def test_nothing_but_broken_pictures_is_counted_and_listed(folder, monkeypatch):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"broken")
    looked_at, original = [], SourceFiles.check_unchanged
    monkeypatch.setattr(SourceFiles, "check_unchanged", lambda files: looked_at.extend(files.names) or original(files))
    with pytest.raises(FmdiagError, match=f"no readable picture: {N} were left out, listed in ") as caught:
        load_dataset(folder, skip_bad=True)
    with open(str(caught.value).rpartition("listed in ")[2], newline="") as file:
        assert len(list(csv.reader(file))) == N + 1
    assert len(looked_at) <= 2 * N   # not all files of a part for each of its pictures


@pytest.mark.parametrize("damage", [lambda path: os.truncate(path, 20), lambda path: write(Path(path), 50)])
def test_a_file_that_changes_or_shrinks_meanwhile_is_refused_and_finished_parts_stay(folder, decoded, monkeypatch,
                                                                                     damage):
    original = decoding.decode_once

    def damaging(source, **options):
        if source.endswith("10.png"):
            damage(source)
        return original(source, **options)

    monkeypatch.setattr(decoding, "decode_once", damaging)
    with pytest.raises(FmdiagError, match=r"10.png: changed while it was read") as caught:
        load_dataset(folder, skip_bad=True)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(decoding, "decode_once", original)
    write(folder / "2" / "10.png", 10)
    del decoded[:]
    assert np.array_equal(load_dataset(folder).rows, expected(folder)) and min(decoded) == "08.png"


@pytest.mark.parametrize("number, said", [(errno.EIO, "Input/output error"), (errno.ESTALE, "Stale file handle")])
def test_a_disk_that_fails_in_the_middle_is_no_bad_picture_and_finished_parts_stay(folder, decoded, monkeypatch, number,
                                                                                   said):
    original = pictures.open_regular

    def failing(source, what):
        if str(source).endswith("10.png"):
            raise OSError(number, os.strerror(number), str(source))
        return original(source, what)

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "open_regular", failing)
        with pytest.raises(FmdiagError, match=rf"10.png: cannot be read now \({said}\): .*decoded so far is kept"):
            load_dataset(folder, skip_bad=True)
    del decoded[:]
    read = load_dataset(folder, skip_bad=True)
    assert np.array_equal(read.rows, expected(folder)) and min(decoded) == "08.png"


def packed(kind, folder, paths, archive):
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as made:
            for path in paths:
                made.write(path, path.relative_to(folder.parent))
    else:
        with tarfile.open(archive, f"w:{kind[4:]}") as made:
            for path in paths:
                made.add(path, str(path.relative_to(folder.parent)))
    return archive


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_of_pictures_is_read_in_place_and_equals_its_folder(folder, kind, tmp_path, data_root):
    """A zip in any order; a tar in sorted order, which alone is read forwards without being unpacked."""
    paths = sorted(folder.rglob("*.png"), reverse=kind == "zip")
    read = load_dataset(packed(kind, folder, paths, tmp_path / f"a.{kind}"))
    entry, = (data_root / ".cache").iterdir()
    assert (entry / "rows.npy").is_file()   # and nothing unpacked beside it
    whole = load_dataset(folder)
    assert read.fingerprint == whole.fingerprint and read.labels.tolist() == whole.labels.tolist()
    assert read.files() == whole.files()


def test_a_tar_in_another_order_is_unpacked_and_equals_its_folder(folder, tmp_path):
    read = load_dataset(packed("tar", folder, sorted(folder.rglob("*.png"), reverse=True), tmp_path / "a.tar"))
    assert read.fingerprint == load_dataset(folder).fingerprint

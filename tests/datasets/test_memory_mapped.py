"""Memory maps: the same rows, the same statistics, and nothing of the file stays resident."""

import errno
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.datasets import layout as layout_module
from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.datasets.memory_mapped import mapping, read, read_ahead, take
from fmdiag.diagnostics.alignment.transitions import data_std
from fmdiag.errors import FmdiagError


def stored(dtype, shape=(50, 3, 4, 5)):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


@pytest.fixture(params=["uint8", "float16", "float32"])
def pair(request, tmp_path):
    """The same rows in memory and on disk."""
    rows = stored(request.param)
    np.save(tmp_path / "rows.npy", rows)
    return TrainingSet(rows, 127.5, -1.0), TrainingSet(np.load(tmp_path / "rows.npy", mmap_mode="r"), 127.5, -1.0)


@pytest.mark.parametrize("hflip", [False, True])
def test_blocks_and_rows_are_those_in_memory(pair, hflip):
    here, there = (replace(data, hflip=hflip) for data in pair)
    for size in (1, 7, 100):
        for (first, a), (second, b) in zip(here.blocks(size), there.blocks(size), strict=True):
            assert first == second and torch.equal(a, b)
    numbers = [3, 49, 0, 3, here.n - 1]
    assert torch.equal(here[numbers], there[numbers]) and torch.equal(here[5:9], there[5:9])
    part = slice(11, 60)
    assert [first for first, _ in there.blocks(7, rows=part)] == [first for first, _ in here.blocks(7, rows=part)]


@pytest.mark.parametrize("hflip", [False, True])
def test_one_pass_gives_the_statistics_too(pair, hflip, monkeypatch):
    here, there = (replace(data, hflip=hflip) for data in pair)
    expected = here.fingerprint, data_std(here)
    for _ in there.blocks(8):
        pass
    monkeypatch.setattr("fmdiag.datasets.model_range.read_ahead", None)   # another pass would fail
    # Squares of a block are summed in float32: relative error of a few 1e-7.
    assert (there.fingerprint, data_std(there)) == (expected[0], pytest.approx(expected[1], rel=1e-5))


def test_a_part_of_a_pass_is_no_statistic(pair):
    here, there = pair
    next(there.blocks(8))
    for _ in there.blocks(8, rows=slice(8, 50)):
        pass
    assert "moments" not in vars(there) and there.fingerprint == here.fingerprint


def test_duplicates_are_found_on_disk(tmp_path):
    rows = stored(np.uint8)
    rows[40] = rows[2]
    np.save(tmp_path / "rows.npy", rows)
    assert duplicate_groups(load_dataset(tmp_path / "rows.npy"))[40] == 2


@pytest.mark.parametrize("view", [lambda rows: rows[10:], lambda rows: rows[:, None], lambda rows: rows[::2],
                                  lambda rows: rows.transpose(0, 2, 3, 1), lambda rows: np.asarray(rows)[3:]])
def test_views_of_a_map_are_read_at_their_place(tmp_path, view):
    """Also behind an offset of more than a page: two arrays in one file."""
    rows = stored(np.float32)
    (tmp_path / "rows.bin").write_bytes(bytes(5000) + rows.tobytes())
    mapped = view(np.memmap(tmp_path / "rows.bin", np.float32, "r", offset=5000, shape=rows.shape))
    expected = view(rows)
    assert mapping(mapped) is not None and mapping(expected) is None
    assert np.array_equal(read(mapped, 2, 9), expected[2:9])
    assert np.array_equal(take(mapped, np.array([5, 1, 5])), expected[[5, 1, 5]])
    assert np.array_equal(np.concatenate(list(read_ahead(mapped, [(0, 4), (4, 1000)]))), expected)


def test_a_file_that_was_replaced_is_not_mistaken_for_the_map(tmp_path):
    rows = stored(np.uint8)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    np.save(tmp_path / "other.npy", rows + 1)
    (tmp_path / "other.npy").replace(tmp_path / "rows.npy")
    assert np.array_equal(read(mapped, 0, 50), rows)
    (tmp_path / "rows.npy").unlink()
    assert np.array_equal(read(np.load(_saved(tmp_path, rows), mmap_mode="c"), 0, 50), rows)


def _saved(folder, rows):
    np.save(folder / "again.npy", rows)
    return folder / "again.npy"


def test_changes_of_a_private_map_are_kept(tmp_path):
    mapped = np.load(_saved(tmp_path, stored(np.uint8)), mmap_mode="c")
    mapped[1] = 7
    assert mapping(mapped) is None and (read(mapped, 1, 2) == 7).all() and (take(mapped, np.array([1])) == 7).all()


def test_bad_rows_of_a_large_file_are_named_when_they_are_read(tmp_path, monkeypatch):
    rows = stored(np.float16, (30, 6))
    rows[17, 2] = np.nan
    monkeypatch.setattr(layout_module, "CHECKED_AT_ONCE", 10)
    data = load_dataset(_saved(tmp_path, rows))
    with pytest.raises(FmdiagError, match="row 17 holds NaN or infinity"):
        for _ in data.blocks(4):
            pass


def test_a_file_that_shrinks_or_changes_and_a_disk_that_fails_are_named(tmp_path, monkeypatch):
    """Each in the middle of a pass; what comes from the file's old content is not mixed with the new."""
    def passing(happens):
        file = _saved(tmp_path, stored(np.uint8))
        with pytest.raises(FmdiagError) as caught:
            for number, _ in enumerate(load_dataset(file).blocks(4)):
                if number == 5:
                    happens(file)
        assert str(file) in str(caught.value) and "\n" not in str(caught.value)
        return str(caught.value)

    def changed(file):
        with open(file, "r+b") as out:
            out.seek(-8, os.SEEK_END)
            out.write(bytes(8))
        os.utime(file, ns=(0, 0))   # whatever the clock's resolution

    def failing(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    assert "cut short while it was read" in passing(lambda file: os.truncate(file, 3000))
    assert "was changed while it was read" in passing(changed)
    assert os.strerror(errno.EIO) in passing(lambda _: monkeypatch.setattr(os, "preadv", failing))


MEASURE = """
import sys, numpy as np, torch
def status(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) / 1e3
from fmdiag.datasets import load_dataset
from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.diagnostics.alignment.transitions import data_std
from fmdiag.fields import ClosedFormField
data = load_dataset(sys.argv[1])
u_star = ClosedFormField(data, memory=20_000_000)
data[:2]
before = status("VmHWM")
u_star(data[:4], 0.5), data_std(data), data.fingerprint, duplicate_groups(data), data[list(range(0, data.n, 100))]
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_pass_over_a_file_does_not_make_it_resident(tmp_path):
    """200 MB are read four times. Beside them: blocks of 64 MB for hashes, read one ahead, and what u_star may use."""
    file = tmp_path / "rows.npy"
    rows = np.lib.format.open_memmap(file, "w+", np.uint8, (50000, 4000))
    for start in range(0, 50000, 10000):
        rows[start : start + 10000] = np.random.default_rng(start).integers(0, 256, (10000, 4000), np.uint8)
    rows.flush()
    del rows
    done = subprocess.run([sys.executable, "-c", MEASURE, str(file)], capture_output=True, text=True, check=True,
                          env={"OMP_NUM_THREADS": "1", "PATH": ""})
    assert float(done.stdout) < 150

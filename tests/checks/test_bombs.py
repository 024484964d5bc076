"""Small files that ask for much: refused before memory or disk is spent, in a process whose memory is measured."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from checks.hostile.bombs import BOMBS, onnx_constant

# Making these takes seconds: checks/hostile/bombs.py runs them.
SLOW = ("tar_xz_of_many_members", "tar_bz2_of_a_long_name", "tar_bz2_of_a_long_header", "deflated_record",
        "large_pictures", "parquet_of_one_large_value", "onnx_constant")
# Beside what torch and the rest of fmdiag take: what a reader may need for a file of less than a megabyte.
MARGIN = 400 << 20
READ = """
import json, os, signal, sys, time
import torch, pyarrow.parquet, scipy.stats
from PIL import Image
from fmdiag.checkpoints import load_checkpoint
from fmdiag.datasets import load_dataset
from fmdiag.diagnostics.gradient_variance.couplings import load_pairs
from fmdiag.errors import FmdiagError
def peak():
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))
def read(kind, path, root):
    signal.alarm(120)
    os.environ["FMDIAG_DATA_ROOT"] = root
    open("/proc/self/clear_refs", "w").write("5")
    before, start = peak(), time.process_time()
    try:
        rows = {"checkpoint": load_checkpoint, "rows": load_dataset, "pairs": load_pairs}[kind](path)
        if kind == "rows":
            rows[[0, rows.n - 1]]
        said = "read"
    except FmdiagError as error:
        said = str(error)
    print(json.dumps([said, peak() - before, time.process_time() - start]), flush=True)
for line in sys.stdin:
    if (child := os.fork()) == 0:
        read(*json.loads(line))
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit(1)
"""


def yaml_laughs(folder):
    lines = ["arguments:", "  a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    (folder / "a.yaml").write_text("\n".join(lines) + "\nfamily: *a11\n")
    return folder / "a.yaml"


@pytest.fixture(scope="module")
def read_measured():
    """Return a function that reads a file in a process of its own, forked from one that has imported everything."""
    process = subprocess.Popen([sys.executable, "-c", READ], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})

    def read(kind, path, data_root):
        process.stdin.write(json.dumps([kind, str(path), str(data_root)]) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, process.stderr.read()
        return json.loads(line)

    yield read
    process.communicate()


@pytest.mark.parametrize("make", [make for make in BOMBS if make.__name__ not in SLOW], ids=lambda make: make.__name__)
def test_a_bomb_is_refused_for_little(make, tmp_path, read_measured):
    path = make(tmp_path)
    said, memory, seconds = read_measured(BOMBS[make], path, tmp_path / "root")
    assert str(tmp_path) in said and "\n" not in said and said != "read", said
    assert memory < MARGIN and seconds < 20, (memory, seconds)
    written = sum(file.stat().st_size for file in (tmp_path / "root").rglob("*") if file.is_file())
    assert written < MARGIN


def test_the_measurement_would_see_memory(tmp_path, read_measured):
    """An honest array of 512 MB in a file of torch's old format, which cannot be mapped: read, and seen."""
    torch.save(torch.zeros(1 << 19, 1024, dtype=torch.uint8), tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    said, memory, _ = read_measured("rows", tmp_path / "a.pt", tmp_path)
    assert said == "read" and memory > MARGIN


def test_aliases_that_multiply_are_refused_by_their_kind(tmp_path):
    from fmdiag.checkpoints.choices import read_card
    from fmdiag.errors import FmdiagError

    with pytest.raises(FmdiagError, match="family = .* is not text"):
        read_card(yaml_laughs(tmp_path))


def test_postscript_is_not_handed_to_ghostscript(tmp_path, monkeypatch):
    """Pillow knows files by their content: a .png that is EPS would start another program."""
    from PIL import EpsImagePlugin

    from fmdiag.datasets import load_dataset
    from fmdiag.errors import FmdiagError

    def started(*arguments, **options):
        raise AssertionError("Ghostscript")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.eps")
    os.rename(tmp_path / "a.eps", tmp_path / "a.png")
    with open(tmp_path / "a.png", "rb") as file, pytest.raises(AssertionError, match="Ghostscript"):
        Image.open(file).load()  # what Pillow would do by itself: the test can fail
    with pytest.raises(FmdiagError, match="not a picture that Pillow knows"):
        load_dataset(tmp_path)


def test_ten_million_rows_of_two_numbers(tmp_path, read_measured):
    """10^7 rows × 2, memory-mapped: the file is opened, and only what is asked for is read."""
    rows = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.float32, (10**7, 2))
    rows[-1] = 7
    rows.flush()
    said, memory, _ = read_measured("rows", tmp_path / "a.npy", tmp_path)
    assert said == "read" and memory < MARGIN


@pytest.mark.parametrize("rows", [np.empty((0, 2), np.float32), np.full((3, 2), np.nan, np.float32),
                                  np.array([[np.inf, 0]], np.float32), np.array([], np.float32)],
                         ids=["no row", "NaN", "infinity", "empty"])
def test_arrays_that_hold_no_training_set(rows, tmp_path):
    from fmdiag.datasets import load_dataset
    from fmdiag.errors import FmdiagError

    np.save(tmp_path / "a.npy", rows)
    with pytest.raises(FmdiagError, match="a.npy"):
        load_dataset(tmp_path / "a.npy")


def test_one_row(tmp_path):
    from fmdiag.datasets import load_dataset

    np.save(tmp_path / "a.npy", np.zeros((1, 2), np.float32))
    assert load_dataset(tmp_path / "a.npy").n == 1


def test_fault_5_6_an_onnx_constant_of_gigabytes_is_not_made(tmp_path):
    pytest.importorskip("onnxruntime")
    from fmdiag.features import load_feature

    feature = load_feature("onnx", weights=onnx_constant(tmp_path))
    with pytest.raises(MemoryError, match="smaller than requested bytes of 4613734400"):
        feature(torch.zeros(2, 1, 8, 8))

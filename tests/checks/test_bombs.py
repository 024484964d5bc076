"""Small files that ask for much: refused before memory or disk is spent, in a process whose memory is measured."""

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

# Beside what torch and the rest of fmdiag take: what a reader may need for a file of less than a megabyte.
MARGIN = 400 << 20
READ = """
import json, os, signal, sys, time
import torch, pyarrow.parquet, scipy.stats
from PIL import Image
from fmdiag.checkpoints import load_checkpoint
from fmdiag.datasets import load_dataset
from fmdiag.errors import FmdiagError
def peak():
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))
def read(kind, path, root):
    signal.alarm(120)
    os.environ["FMDIAG_DATA_ROOT"] = root
    open("/proc/self/clear_refs", "w").write("5")
    before, start = peak(), time.process_time()
    try:
        rows = (load_checkpoint if kind == "checkpoint" else load_dataset)(path)
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
GIGABYTES = 4 << 30


def zeros_gz(n):
    """Return gzip of n zeros: a thousandth of their length."""
    stream = io.BytesIO()
    with gzip.open(stream, "wb", compresslevel=9) as file:
        for _ in range(n >> 24):
            file.write(bytes(1 << 24))
    return stream.getvalue()


def npy_header(shape, dtype="|u1"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def zip_of_zeros(path, name, size, head=b""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w", force_zip64=True) as file:
        file.write(head)
        for _ in range(size >> 24):
            file.write(bytes(1 << 24))
    return path


def npz_bomb(folder):
    return zip_of_zeros(folder / "a.npz", "images.npy", 1 << 30, npy_header((1 << 20, 1024)))


def zip_bomb(folder):
    return zip_of_zeros(folder / "a.zip", "train.npy", 1 << 30, npy_header((1 << 20, 1024)))


def zip_that_lies(folder):
    """A member whose directory entry says 4 GB less a byte and whose data are few."""
    with zipfile.ZipFile(folder / "a.npz", "w") as archive:
        archive.writestr("images.npy", npy_header((1 << 22, 1023)) + bytes(100))
    data = bytearray((folder / "a.npz").read_bytes())
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 2**32 - 2)
    (folder / "a.npz").write_bytes(data)
    return folder / "a.npz"


def idx_gz_bomb(folder):
    (folder / "a.idx.gz").write_bytes(zeros_gz(1 << 30))
    return folder / "a.idx.gz"


def tar_gz_bomb(folder):
    member = tarfile.TarInfo("train.npy")
    member.size = 1 << 30
    stream = io.BytesIO()
    with gzip.open(stream, "wb") as file:
        file.write(member.tobuf())
        for _ in range(64):
            file.write(bytes(1 << 24))
    (folder / "a.tar.gz").write_bytes(stream.getvalue())
    return folder / "a.tar.gz"


def zip_within_zip(folder):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("train.npy", npy_header((2, 2)) + bytes(4))
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("train.zip", inner.getvalue())
    return folder / "a.zip"


def huge_npy(folder):
    (folder / "a.npy").write_bytes(npy_header((10**7, 10**7), "<f8") + bytes(64))
    return folder / "a.npy"


def repeated_tensor(folder):
    torch.save(torch.zeros(1).expand(10**12, 2), folder / "a.pt")
    return folder / "a.pt"


def tensor_beyond_its_bytes(folder):
    """A record of 4 bytes for a tensor of 16: mapped, torch would hand out what lies behind them."""
    torch.save(torch.zeros(4), folder / "good.pt")
    with zipfile.ZipFile(folder / "good.pt") as good, zipfile.ZipFile(folder / "a.pt", "w") as bad:
        for name in good.namelist():
            bad.writestr(name, good.read(name)[: 4 if name.endswith("data/0") else None])
    return folder / "a.pt"


def png_bomb(folder):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    (folder / "pictures").mkdir()
    data = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(bytes(10**6)))
    (folder / "pictures" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b""))
    return folder / "pictures"


def gif_bomb(folder):
    """Fewer pixels than Pillow's limit, 81 million: the few bytes that there are would be unpacked into 324 MB."""
    (folder / "pictures").mkdir()
    stream, side = io.BytesIO(), struct.pack("<HH", 9000, 9000)
    Image.new("RGB", (4, 4), (9, 200, 7)).save(stream, "gif")
    data = bytearray(stream.getvalue())
    at = data.index(b"\x2c\x00\x00\x00\x00")
    data[6:10] = data[at + 5 : at + 9] = side
    (folder / "pictures" / "a.gif").write_bytes(data)
    return folder / "pictures"


def parquet_bomb(folder):
    """A dictionary page of one value that 10^9 rows repeat would need as many picture entries."""
    table = pa.table({"image": pa.array([bytes(1 << 20)] * 600, pa.binary())})
    pq.write_table(table, folder / "a.parquet", compression="zstd", use_dictionary=False)
    return folder / "a.parquet"


def safetensors_that_lies(folder):
    header = json.dumps({"x": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}).encode()
    (folder / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    return folder / "a.safetensors"


def repeated_weights(folder):
    """The MLP of 60 000 units, whose weights are one zero repeated."""
    from fmdiag.fields import build_network

    spec = {"name": "mlp", "shape": [2], "width": 60_000, "depth": 1}
    with torch.device("meta"):
        shapes = {name: w.shape for name, w in build_network(spec).state_dict().items()}
    state = {name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}
    torch.save({"format": "fmdiag-checkpoint", "version": 1, "network": spec, "path": {"name": "linear"}, "ema": state},
               folder / "a.pt")
    return folder / "a.pt"


def script_with_a_long_text(folder):
    """A pickle in a program that says that a text of 4 GB follows: torch would make room for it."""
    with zipfile.ZipFile(folder / "a.pt", "w") as archive:
        for name, content in (("p/constants.pkl", b"\x80\x02)."), ("p/version", b"3\n"), ("p/code/x.py", b""),
                              ("p/data.pkl", b"\x80\x02X" + struct.pack("<I", 2**32 - 1) + b"abc.")):
            archive.writestr(name, content)
    return folder / "a.pt"


def yaml_laughs(folder):
    lines = ["arguments:", "  a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    (folder / "a.yaml").write_text("\n".join(lines) + "\nfamily: *a11\n")
    return folder / "a.yaml"


BOMBS = {npz_bomb: "rows", zip_bomb: "rows", zip_that_lies: "rows", idx_gz_bomb: "rows", tar_gz_bomb: "rows",
         zip_within_zip: "rows", huge_npy: "rows", repeated_tensor: "rows", tensor_beyond_its_bytes: "rows",
         png_bomb: "rows", gif_bomb: "rows", parquet_bomb: "rows", safetensors_that_lies: "rows", repeated_weights: "checkpoint",
         script_with_a_long_text: "checkpoint"}


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


@pytest.mark.parametrize("make", BOMBS, ids=lambda make: make.__name__)
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
    from PIL import EpsImagePlugin, Image

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

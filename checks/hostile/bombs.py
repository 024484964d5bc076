"""Small files that ask for much, and what reading each takes: refused, or read within --memory and a little more.

    python -m checks.hostile.bombs                         every bomb through a command, results beside the others
    python -m checks.hostile.bombs --only npz_bomb
    python -m checks.hostile.bombs --write FOLDER          only make the files

Each command runs in a process of its own with --memory 1GiB; its peak resident memory is the system's (VmHWM).
Right is a peak of at most 1 GiB + 0.375 GiB, Python and torch among them, an end within 60 seconds of processor time,
exit code 0 or 2, and less than half a GiB written below the data root.
"""

import argparse
import bz2
import gzip
import io
import json
import lzma
import os
import resource
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

RESULTS = Path(__file__).parents[1] / "results/bombs.json"
BEYOND = 9 << 25   # bytes, a little more than any file may become
MEMORY, MARGIN, SECONDS, DISK = 1 << 30, 3 << 27, 60, 4 << 27
COMMANDS = {"rows": "alignment --dataset {file} --memory 1GiB --n-pairs 8", "checkpoint": "checkpoint {file}",
            "pairs": "gradient-variance {digits} --pairs {file} --memory 1GiB",
            "onnx": "memorization {digits} --feature onnx --feature-weights onnx={file} --memory 1GiB --n-samples 8"}


def zeros_gz(n):
    """Return gzip of n zeros: a thousandth of their length."""
    stream = io.BytesIO()
    with gzip.open(stream, "wb", compresslevel=1) as file:
        for _ in range(n >> 24):
            file.write(bytes(1 << 24))
    return stream.getvalue()


def npy_header(shape, dtype="|u1"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def zip_of_zeros(path, name, size, head=b""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open(name, "w", force_zip64=True) as file:
        file.write(head)
        for _ in range(size >> 24):
            file.write(bytes(1 << 24))
    return path


def npz_bomb(folder):
    return zip_of_zeros(folder / "a.npz", "images.npy", BEYOND, npy_header((BEYOND >> 10, 1024)))


def zip_bomb(folder):
    return zip_of_zeros(folder / "a.zip", "train.npy", BEYOND, npy_header((BEYOND >> 10, 1024)))


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
    (folder / "a.idx.gz").write_bytes(zeros_gz(BEYOND))
    return folder / "a.idx.gz"


def tar_gz_bomb(folder):
    member = tarfile.TarInfo("train.npy")
    member.size = BEYOND
    stream = io.BytesIO()
    with gzip.open(stream, "wb", compresslevel=1) as file:
        file.write(member.tobuf())
        for _ in range(BEYOND >> 24):
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
    table = pa.table({"image": pa.array([bytes(1 << 20)] * 350, pa.binary())})
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


def tar_bz2_of_a_long_name(folder):
    """A GNU header that says that the next member's name has 3 GB."""
    return _long_header(folder, b"L")


def tar_bz2_of_a_long_header(folder):
    """The same of a pax header."""
    return _long_header(folder, b"x")


def _long_header(folder, kind):
    member = tarfile.TarInfo("a")
    member.size, member.type = 3 << 30, kind
    packer, zeros = bz2.BZ2Compressor(), bytes(1 << 24)
    with open(folder / "a.tar.bz2", "wb") as file:
        file.write(packer.compress(member.tobuf(tarfile.GNU_FORMAT)))
        for _ in range(192):
            file.write(packer.compress(zeros))
        file.write(packer.flush())
    return folder / "a.tar.bz2"


def tar_xz_of_many_members(folder):
    header = bytearray(tarfile.TarInfo("0000000.png").tobuf(tarfile.USTAR_FORMAT))
    packer = lzma.LZMACompressor(preset=0)
    with open(folder / "a.tar.xz", "wb") as file:
        for k in range(200_000):
            header[:7] = b"%07d" % k
            header[148:156] = b" " * 8
            header[148:156] = b"%06o\0 " % sum(header)
            file.write(packer.compress(bytes(header)))
        file.write(packer.compress(bytes(1024)) + packer.flush())
    return folder / "a.tar.xz"


def large_png():
    """Return a PNG of 4096 x 4096 pixels in 58 kB."""
    stream = io.BytesIO()
    Image.new("RGB", (4096, 4096), (9, 200, 7)).save(stream, "png", optimize=True)
    return stream.getvalue()


def parquet_of_one_picture(folder):
    table = pa.table({"image": pa.array([large_png()] * 200, pa.binary())})
    pq.write_table(table, folder / "b.parquet", compression="zstd")
    return folder / "b.parquet"


def parquet_of_one_large_value(folder):
    """A dictionary of one value of 200 MB that every row repeats."""
    table = pa.table({"image": pa.array([bytes(200 << 20)] * 10, pa.binary())})
    pq.write_table(table, folder / "c.parquet", compression="zstd", dictionary_pagesize_limit=1 << 30)
    return folder / "c.parquet"


def large_pictures(folder):
    (folder / "pictures").mkdir()
    for k in range(128):
        (folder / "pictures" / f"{k}.png").write_bytes(large_png())
    return folder / "pictures"


def deflated_record(folder):
    """A checkpoint one of whose records is 3.1 GB of zeros."""
    torch.save({"model": {"w": torch.zeros(1, dtype=torch.uint8)}}, folder / "good.pt")
    with zipfile.ZipFile(folder / "good.pt") as good, zipfile.ZipFile(folder / "a.pt", "w", zipfile.ZIP_DEFLATED) as bad:
        for name in good.namelist():
            if not name.endswith("data/0"):
                bad.writestr(name, good.read(name))
                continue
            with bad.open(name, "w", force_zip64=True) as record:
                for _ in range(185):
                    record.write(bytes(1 << 24))
    return folder / "a.pt"


def pairs_npz(folder):
    with zipfile.ZipFile(folder / "pairs.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("x0.npy", "x1.npy"):
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(npy_header((10 << 17, 1, 8, 8), "<f4"))
                for _ in range(20):
                    file.write(bytes(1 << 24))
    return folder / "pairs.npz"


def npy_of_rows_without_numbers(folder):
    (folder / "a.npy").write_bytes(npy_header((2**48 - 1, 0), "<f4") + bytes(64))
    return folder / "a.npy"


def onnx_constant(folder):
    """A model of 200 bytes whose constant has 4.4 GB, by hand in protocol buffers."""
    def varint(value):
        more = value >> 7
        return bytes([value & 127 | 128]) + varint(more) if more else bytes([value])

    def field(number, value):
        if isinstance(value, int):
            return varint(number << 3) + varint(value)
        value = value.encode() if isinstance(value, str) else value
        return varint(number << 3 | 2) + varint(len(value)) + value

    def node(kind, inputs, output, rest=b""):
        return field(1, b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind) + rest)

    def value(name, *sizes):
        shape = b"".join(field(1, field(2, size) if isinstance(size, str) else field(1, size)) for size in sizes)
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))

    shape = field(1, 2) + field(2, 7) + field(8, "s") + field(9, struct.pack("<2q", 1 << 20, 1100))
    flat = field(5, field(1, "axis") + field(3, 1) + field(20, 2))
    graph = (node("ConstantOfShape", ["s"], "c") + node("ReduceMean", ["c"], "m", field(5, field(1, "keepdims") + field(
        3, 0) + field(20, 2))) + node("Flatten", ["x"], "f", flat) + node("Add", ["f", "m"], "y"))
    graph += field(2, "g") + field(5, shape) + field(11, value("x", "n", 1, 8, 8)) + field(12, value("y", "n", 64))
    (folder / "a.onnx").write_bytes(field(1, 8) + field(7, graph) + field(8, field(2, 13)))
    return folder / "a.onnx"


BOMBS = {npz_bomb: "rows", zip_bomb: "rows", zip_that_lies: "rows", idx_gz_bomb: "rows", tar_gz_bomb: "rows",
         zip_within_zip: "rows", huge_npy: "rows", repeated_tensor: "rows", tensor_beyond_its_bytes: "rows",
         png_bomb: "rows", gif_bomb: "rows", parquet_bomb: "rows", safetensors_that_lies: "rows",
         repeated_weights: "checkpoint", script_with_a_long_text: "checkpoint", tar_bz2_of_a_long_name: "rows",
         tar_bz2_of_a_long_header: "rows", tar_xz_of_many_members: "rows", parquet_of_one_picture: "rows",
         parquet_of_one_large_value: "rows", large_pictures: "rows", deflated_record: "checkpoint", pairs_npz: "pairs",
         npy_of_rows_without_numbers: "rows", onnx_constant: "onnx"}


def measured(role, file, folder):
    """Return what a command does with a file: exit code, last line, peak resident bytes, seconds, bytes on disk."""
    from fmdiag.checkpoints import bundled_checkpoint

    words = COMMANDS[role].replace("{file}", str(file)).replace("{digits}", str(bundled_checkpoint())).split()
    words += ["--out", str(folder / "out")] if role != "checkpoint" else []
    environment = os.environ | {"FMDIAG_DATA_ROOT": str(folder / "root"), "FMDIAG_CACHE": str(folder / "features"),
                                "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    # Of the process itself: ru_maxrss would hold what its parent had when it was forked.
    run = ("import sys, time; from fmdiag.cli.main import run; code = run(sys.argv[1:]); sys.stderr.flush(); "
           "peak = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')); "
           "print(f'\\n{code} {int(peak) << 10} {time.process_time()}', file=sys.stderr)")
    limit = lambda: resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))  # noqa: E731
    ended = subprocess.run([sys.executable, "-c", run, *words], capture_output=True, text=True, env=environment,
                           cwd=folder, preexec_fn=limit, check=False)
    lines = ended.stderr.strip().splitlines()
    if ended.returncode or not lines or len(lines[-1].split()) != 3:
        return {"said": (lines or ["nothing"])[-1][:300], "code": ended.returncode, "peak": None, "seconds": None}
    code, peak, seconds = lines[-1].split()
    written = sum(path.stat().st_size for path in (folder / "root").rglob("*") if path.is_file())
    said = next((line for line in lines if line.startswith("Error:")), "read")
    return {"said": said.replace(str(folder) + "/", "")[:300], "code": int(code), "peak": int(peak),
            "seconds": round(float(seconds), 1), "written": written}


def judged(found):
    """Return what is wrong with what was measured, or None."""
    if found["peak"] is None or found["code"] not in (0, 2):
        return "did not end in a line"
    if found["peak"] > MEMORY + MARGIN:
        return f"took {found['peak'] / 2**30:.1f} GiB"
    if found["seconds"] > SECONDS or found["written"] > DISK:
        return f"took {found['seconds']} s and {found['written'] / 2**30:.1f} GiB of disk"
    return None


def main():
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[make.__name__ for make in BOMBS])
    parser.add_argument("--write", type=Path, help="make the files in this folder and do nothing else")
    parser.add_argument("--results", type=Path, help=f"JSON file of the outcome, e.g. {RESULTS.name}")
    options = parser.parse_args()
    outcome, failed = {}, False
    for make, role in BOMBS.items():
        if options.only not in (None, make.__name__):
            continue
        with tempfile.TemporaryDirectory() as folder:
            here = Path(folder) if options.write is None else options.write / make.__name__
            here.mkdir(parents=True, exist_ok=True)
            file = make(here)
            if options.write is not None:
                continue
            size = sum(path.stat().st_size for path in ([file] if file.is_file() else file.iterdir()))
            found = {"bytes": size, **measured(role, file, here)}
        found["wrong"] = judged(found)
        failed = failed or found["wrong"] is not None
        outcome[make.__name__] = found
        print(f"{make.__name__:30s} {found['wrong'] or 'right'}: {found['said']}", flush=True)
    if options.results:
        options.results.write_text(json.dumps(outcome, indent=1) + "\n")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()

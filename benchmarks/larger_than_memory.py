"""Does a set larger than memory stay out of memory, and what does it cost?

Three measurements on files made in a temporary folder and removed afterwards; peaks are VmHWM of a fresh process.

- pixels: n x 12 288 uint8 under memory=1GB: peak, the answer beside that of the same rows in memory (a subset), cost
  per row beside rows in memory.
- latents: `fmdiag alignment` on n x 4096 float16, 256 pairs, 100 times, --memory 1.5GB: peak, and time beside the
  floor, the larger of bytes over the measured disk rate and operations of two products over the measured product rate,
  all three in one process. Processor seconds are given beside wall-clock ones: they mean something on a busy machine
  too. The cost is linear in the rows where --memory is in proportion to them: pairs are then done in as many passes.

    python -m benchmarks.larger_than_memory [--pixel-rows 200000] [--latent-rows 1280000] [--folder /tmp]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

OUT = Path(__file__).parent / "results" / "larger_than_memory.json"
PAIRS, TIMES, ROWS, MEMORY = 256, 100, 1280000, 1.5e9   # MEMORY for this many latents
CHILD = """
import json, os, sys, time
import torch
from fmdiag.datasets import load_dataset
from fmdiag.fields import ClosedFormField
torch.set_flush_denormal(True)
file, memory, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = load_dataset(file)
if rows:
    data = data.subset(rows)
x = 0.6 * torch.randn(64, data.dim, generator=torch.Generator().manual_seed(0)) + 0.4 * data[:64].reshape(64, -1)
u_star = ClosedFormField(data, memory=memory)
start, clock = time.perf_counter(), time.process_time()
v = u_star(x.reshape(-1, *data.shape), 0.4)
seconds, cpu = time.perf_counter() - start, time.process_time() - clock
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1e6
torch.save(v, sys.argv[4])
print(json.dumps({"seconds": seconds, "cpu_microseconds_per_row": 1e6 * cpu / data.n,
                  "microseconds_per_row": 1e6 * seconds / data.n, "peak_gb": peak}))
"""
COMMAND = """
import json, resource, sys, time
from pathlib import Path
from benchmarks.larger_than_memory import disk_rate, product_rate
from fmdiag.cli.main import main
file, out = sys.argv.pop(1), sys.argv.pop(1)
rates = {"disk": disk_rate(file), "product": product_rate()}
start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
try:
    main()
except SystemExit as end:
    if end.code:
        raise
seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
Path(out).write_text(json.dumps({"seconds": seconds, "peak_gb": peak / 1e6, "read_gb": 512e-9 * after.ru_inblock,
    "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "rates": rates}))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixel-rows", type=int, default=200000)
    parser.add_argument("--latent-rows", type=int, default=1280000)
    parser.add_argument("--folder")
    arguments = parser.parse_args()
    results = json.loads(OUT.read_text()) if OUT.exists() else {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        if arguments.pixel_rows:
            results[f"{arguments.pixel_rows} x 12288 uint8"] = pixels(Path(folder), arguments.pixel_rows)
        if arguments.latent_rows:
            results[f"{arguments.latent_rows} x 4096 float16"] = latents(Path(folder), arguments.latent_rows)
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


def pixels(folder, n):
    few = min(n, 20000)
    file = make(folder / "pixels.npy", np.uint8, (n, 12288), lambda rng, k: rng.integers(0, 256, (k, 12288), np.uint8))
    part = folder / "part.npy"
    np.save(part, np.load(file, mmap_mode="r")[:few])
    whole = child(file, 10**9, 0, folder / "whole.pt")
    on_disk = child(part, 10**8, 0, folder / "disk.pt")
    in_memory = child(part, 10**9, few, folder / "memory.pt")   # a subset of all rows is a copy in memory
    difference = (torch.load(folder / "disk.pt") - torch.load(folder / "memory.pt")).abs().max().item()
    file.unlink()
    part.unlink()
    return {"whole": whole, "subset_on_disk": on_disk, "subset_in_memory": in_memory, "largest_difference": difference,
            "cost_per_row_ratio": round(whole["microseconds_per_row"] / in_memory["microseconds_per_row"], 2),
            "cpu_per_row_ratio": round(whole["cpu_microseconds_per_row"] / in_memory["cpu_microseconds_per_row"], 2),
            **machine()}


def latents(folder, n):
    file, out = folder / "latents.npy", folder / "measured.json"
    make(file, np.float16, (n, 4096), lambda rng, k: rng.standard_normal((k, 4096), np.float32).astype(np.float16))
    memory = round(MEMORY * n / ROWS)
    done = subprocess.run([sys.executable, "-c", COMMAND, str(file), str(out), "alignment", "--dataset", str(file),
                           "--n-pairs", str(PAIRS), "--times", f"0.01:0.99:{TIMES}", "--memory", str(memory),
                           "--out", str(folder / "run")], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = json.loads(out.read_text())
    rates = found.pop("rates")
    operations = 2 * 2 * PAIRS * n * 4096
    floors = {"disk": file.stat().st_size / rates["disk"], "products": operations / rates["product"][0]}
    processor = operations / rates["product"][1]
    file.unlink()
    return {**{name: round(value, 2) for name, value in found.items()}, "memory_gb": memory / 1e9,
            "floor_seconds": {name: round(value, 1) for name, value in floors.items()},
            "times_the_floor": round(found["seconds"] / max(floors.values()), 2),
            "floor_cpu_seconds": round(processor, 1), "cpu_times_the_floor": round(found["cpu_seconds"] / processor, 2),
            "disk_gb_per_second": round(rates["disk"] / 1e9, 2),
            "product_gflops": round(rates["product"][0] / 1e9, 1),
            "pairs": PAIRS, "times": TIMES, **machine()}


def make(file, dtype, shape, draw, step=10000):
    """Write random rows to a .npy file without holding them; the first block is repeated, shifted by its number."""
    rng, block = np.random.default_rng(0), None
    with open(file, "wb") as out:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(out, header)
        for start in range(0, shape[0], step):
            block = draw(rng, step) if block is None else np.roll(block, 1, axis=1)
            out.write(block[: shape[0] - start].tobytes())
        out.flush()
        os.fsync(out.fileno())
        os.posix_fadvise(out.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)   # start from the disk, not from its cache
    return file


def child(file, memory, rows, out):
    done = subprocess.run([sys.executable, "-c", CHILD, str(file), str(memory), str(rows), str(out)],
                          capture_output=True, text=True, check=True)
    return {name: round(value, 3) for name, value in json.loads(done.stdout).items()}


def disk_rate(file):
    """Return bytes per second of reading the whole file from the disk: parts of it differ by a factor of five."""
    with open(file, "rb", buffering=0) as source:
        buffer, got, start = bytearray(1 << 24), 0, time.perf_counter()
        while (k := source.readinto(buffer)):
            got += k
        seconds = time.perf_counter() - start
        os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return got / seconds


def product_rate():
    """Return operations per second, and per processor second, of the largest products of this shape."""
    x, rows, best = torch.randn(2 * PAIRS, 4096), torch.randn(2048, 4096), [0.0, 0.0]
    for _ in range(20):
        start, clock = time.perf_counter(), time.process_time()
        x @ rows.T
        spent = time.perf_counter() - start, time.process_time() - clock
        best = [max(rate, 2 * x.numel() * len(rows) / seconds) for rate, seconds in zip(best, spent, strict=True)]
    return best


def machine():
    return {"threads": torch.get_num_threads(), "load_average": round(os.getloadavg()[0], 1),
            "torch": torch.__version__}


if __name__ == "__main__":
    main()

"""How fast does a folder of many small pictures become a training set, beside Pillow alone?

PNG of 32 x 32 x 3 in folders of 100 pictures, a thousand of them different, made in a temporary folder and removed
afterwards. Every row is a fresh
process; seconds are processor seconds (user and system) of all its threads, so that a busy machine changes them little.

- pillow: the floor. Two plain processes share the files, each with ``numpy.asarray(Image.open(path))``; nothing is
  checked, kept or hashed. The seconds of interpreter and imports are measured apart and not counted.
- first: `load_dataset` of the folder and its fingerprint, with an empty cache: looking for the files, decoding,
  the copy in the cache, the hash.
- again: the same once more: the decoded copy is found.
- zip, tar: the same pictures in one archive, without a cache.
- alignment: ``fmdiag alignment`` on the folder, from the cache.

Growth: what the steps on names alone cost (scandir and stat, sorting, the key), at two numbers of files; the figure of
a million is extrapolated from the larger as growth in proportion, and said to be so.

    python -m benchmarks.many_files [--files 10000] [--names 100000] [--folder /tmp] [--only first again alignment]
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import describe
from fmdiag.datasets.readers.images import picture_files

OUT = Path(__file__).parent / "results" / "many_files.json"
PER_FOLDER = 100
DIFFERENT = 1000
WAYS = ("first", "again", "zip", "tar", "alignment")
PILLOW = """
import json, resource, sys
import numpy as np
from PIL import Image
def used():
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
start = used()
paths = open(sys.argv[1]).read().splitlines()[int(sys.argv[2])::2]
total = 0
for path in paths:
    with Image.open(path) as image:
        total += np.asarray(image).nbytes
print(json.dumps({"seconds": used() - start, "values": total}))
"""
LOAD = """
import json, resource, sys, threading, time
from pathlib import Path
from fmdiag.datasets import load_dataset
def used():
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
def resident():
    # Anonymous memory: pages of a mapped file are the system's to take back.
    return int(next(l for l in open("/proc/self/status") if l.startswith("RssAnon")).split()[1]) / 1024
before, start, peak, done = resident(), used(), [0], threading.Event()
def watch():
    while not done.wait(0.02):
        peak.append(resident())
watcher = threading.Thread(target=watch)
watcher.start()
data = load_dataset(sys.argv[1], data_root=sys.argv[2])
fingerprint = data.fingerprint
seconds = used() - start
done.set()
watcher.join()
print(json.dumps({"seconds": seconds, "n": data.n, "fingerprint": fingerprint, "megabytes_at_import": before,
                  "megabytes_peak": max(peak)}))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--folder")
    parser.add_argument("--only", nargs="*", choices=(*WAYS, "names"), default=(*WAYS, "names"))
    arguments = parser.parse_args()
    results = json.loads(OUT.read_text()) if OUT.exists() else {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        folder = Path(folder)
        results[f"{arguments.files} files"] = decoding(folder, arguments.files, arguments.only)
        if "names" in arguments.only:
            results["names"] = growth(folder / "names", arguments.names)
    results["machine"] = describe()
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


def decoding(folder, n, only):
    """Return processor seconds, files per second and memory of each way to read n pictures."""
    pictures = make(folder / "pictures", n)
    if {"zip", "tar"} & {*only}:
        archives(folder, pictures)
    floor = pillow(folder, pictures)
    rows = {"pillow": {"seconds": floor, "files_per_second": n / floor}}
    for name, source, root in (("first", "pictures", "a"), ("again", "pictures", "a"), ("zip", "pictures.zip", "b"),
                               ("tar", "pictures.tar", "c")):
        if name not in only:
            continue
        found = json.loads(run(LOAD, folder / source, folder / root))
        rows[name] = {**found, "files_per_second": n / found["seconds"], "share_of_pillow": floor / found["seconds"]}
        print(name, rows[name], flush=True)
    if len({row["fingerprint"] for name, row in rows.items() if name != "pillow"}) != 1:
        raise RuntimeError(f"other rows from folder, cache, zip or tar: {rows}")
    if "alignment" in only:
        rows["alignment"] = {"seconds": alignment(folder)}
    return rounded(rows)


def make(folder, n):
    """Write n pictures of smooth random colours and return their paths."""
    rng, paths, different = np.random.default_rng(0), [], []
    for _ in range(min(n, DIFFERENT)):
        small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        small.resize((32, 32), Image.Resampling.BICUBIC).save(content := io.BytesIO(), "png")
        different.append(content.getvalue())
    for k in range(n):
        path = folder / f"{k // PER_FOLDER:05}" / f"{k:07}.png"
        if k % PER_FOLDER == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(different[k % DIFFERENT])
        paths.append(path)
    return paths


def archives(folder, paths):
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.relative_to(folder / "pictures"))
    with tarfile.open(folder / "pictures.tar", "w") as archive:
        for path in paths:
            archive.add(path, str(path.relative_to(folder / "pictures")))


def pillow(folder, paths):
    """Return the processor seconds of two plain processes that decode half of the pictures each."""
    (folder / "paths.txt").write_text("\n".join(map(str, paths)))
    both = [subprocess.Popen([sys.executable, "-c", PILLOW, str(folder / "paths.txt"), str(k)], stdout=subprocess.PIPE,
                             text=True) for k in range(2)]
    found = [json.loads(process.communicate()[0]) for process in both]
    if sum(one["values"] for one in found) != len(paths) * 32 * 32 * 3:
        raise RuntimeError("Pillow did not decode every picture")
    return sum(one["seconds"] for one in found)


def run(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True,
                          check=True).stdout.splitlines()[-1]


def alignment(folder):
    """Return the processor seconds of the whole command, the start of Python included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "fmdiag", "alignment", "--dataset", str(folder / "pictures"), "--data-root",
                    str(folder / "a"), "--n-pairs", "64", "--times", "0.1:0.9:3", "--out", str(folder / "run")],
                   check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def growth(folder, n):
    """Return microseconds per file of the steps on names alone, with n / 10 and with n empty files."""
    rows = {}
    for size in (n // 10, n):
        for k in range(size):
            place = folder / f"{k // PER_FOLDER:05}"
            place.mkdir(parents=True, exist_ok=True)
            os.close(os.open(place / f"{k:07}.png", os.O_CREAT | os.O_WRONLY))
        time.sleep(0.05)
        picture_files(folder)
        start = time.process_time()
        files = picture_files(folder)
        looked = time.process_time()
        files.key()
        rows[size] = {"files": size, "find_and_stat_seconds": looked - start,
                      "key_seconds": time.process_time() - looked}
    last = rows[n]
    million = {name: last[name] * 1e6 / n for name in ("find_and_stat_seconds", "key_seconds")}
    return rounded({"measured": list(rows.values()), "extrapolated_to_1000000": million})


def rounded(value):
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()

"""Do two ranks on two cores cost more than one process with two threads? Alignment of photo tiles, alternating.

    python benchmarks/ranks.py             256 pairs, 100 times, 50 000 x 3072; medians of three
    python benchmarks/ranks.py --n 5000    fewer rows

Each run is a fresh process (or torchrun with one thread per rank) that times the diagnostic itself: reading the rows,
the curve and the table, from when all ranks have loaded the set until the last one has the table. Writes
benchmarks/results/ranks.json.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "ranks.json"


def work(n, n_pairs):
    """Print the seconds of one measurement: run as a single process or by torchrun."""
    import torch

    from fmdiag import load_dataset
    from fmdiag.diagnostics.alignment import measure as alignment
    from fmdiag.ranks.torchrun import end, join, leave

    torch.set_flush_denormal(True)
    group, device = join(torch.device("cpu"))
    data = load_dataset("photo-tiles", size=32, n=n)
    group.gather(None)
    start, processor = time.perf_counter(), time.process_time()
    table = alignment.measure(data, times=[0.01 * k for k in range(1, 100)] + [0.995], n_pairs=n_pairs, memory=2 << 30,
                              group=group, generator=torch.Generator().manual_seed(0))
    taken = max(group.gather(time.perf_counter() - start))
    processor = sum(group.gather(time.process_time() - processor))
    if group.rank == 0:
        print(json.dumps({"seconds": taken, "processor_seconds": processor, "cosine": table["cosine"].mean()}))
    leave(group)
    end(0)


def run(n_ranks, n_threads, arguments):
    """Return what `work` printed with so many ranks of so many threads."""
    # After "--" torchrun leaves options alone; before, it takes --n for an abbreviation of its own.
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_ranks), "--"]
    launcher = launcher if n_ranks > 1 else []
    command = [sys.executable, *launcher, str(Path(__file__)), "--work", "--n", str(arguments.n),
               "--n-pairs", str(arguments.n_pairs)]
    root = Path(__file__).parents[1]
    environment = {**os.environ, "OMP_NUM_THREADS": str(n_threads), "OMP_WAIT_POLICY": "PASSIVE",
                   "PYTHONPATH": str(root)}
    found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=root)
    return json.loads(found.stdout.splitlines()[-1])


def compare(arguments):
    """Return the record of alternating runs."""
    alone, together = [], []
    for _ in range(arguments.rounds):
        alone.append(run(1, 2, arguments))
        together.append(run(2, 1, arguments))
        print(f"1 process, 2 threads {alone[-1]['seconds']:.2f} s; 2 ranks {together[-1]['seconds']:.2f} s")

    def median(runs, name):
        return statistics.median(found[name] for found in runs)

    return {"data": "photo-tiles 32 x 32", "n": arguments.n, "pairs": arguments.n_pairs, "times": 100,
            "one_process_two_threads": alone, "two_ranks_one_thread_each": together,
            "ratio_of_median_seconds": median(together, "seconds") / median(alone, "seconds"),
            "ratio_of_processor_seconds": median(together, "processor_seconds") / median(alone, "processor_seconds"),
            "load_average": os.getloadavg()[0], "cores": os.cpu_count(), "machine": platform.machine()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=50_000)
    parser.add_argument("--n-pairs", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.n, arguments.n_pairs)
        return
    record = compare(arguments)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()

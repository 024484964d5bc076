"""Do two ranks on two cores cost more than one process with two threads? Curve, nearest neighbours, theories.

    python -m benchmarks.ranks                      curve: 256 pairs, 100 times, 50 000 x 3072 photo tiles;
                                                    neighbors: 1000 queries among the same rows, duplicates known;
                                                    theories: Wiener field and local score, 50 000 of Fashion-MNIST
    python -m benchmarks.ranks --measure neighbors  one of them; the others keep their record
    python -m benchmarks.ranks --n 5000             fewer rows

Each run is a fresh process (or torchrun with one thread per rank) that times the measurement itself, from when all
ranks have loaded the set until the last one has the answer; runs alternate, medians of three. Two numbers are compared:

- seconds, by the clock: on a machine with other work they say how that work was shared out, and no more;
- ratio_of_processor_seconds: those of the rank that took most over half of the single process's, which is what it
  would take if its two threads shared the work without loss. On two quiet cores a rank's seconds by the clock are its
  processor seconds and what it waits, so that this is the ratio asked about but for waiting, and never too small.

Writes benchmarks/results/ranks.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import describe

RESULTS = Path(__file__).parent / "results" / "ranks.json"


def work(arguments):
    """Print the seconds of the measurements: run as a single process or by torchrun."""
    import torch

    from fmdiag.ranks.torchrun import end, join, leave

    torch.set_flush_denormal(True)
    group, _ = join(torch.device("cpu"))
    found = {name: timed(MEASURES[name], group, arguments) for name in arguments.measure}
    if group.rank == 0:
        print(json.dumps(found))
    leave(group)
    end(0)


def timed(prepare, group, arguments):
    """Return the record of one measurement on all ranks."""
    measured = prepare(group, arguments)
    group.gather(None)
    start, processor = time.perf_counter(), time.process_time()
    answer = measured()
    taken, processor = time.perf_counter() - start, time.process_time() - processor
    return {"seconds": max(group.gather(taken)), "processor_seconds": group.gather(processor), "answer": answer}


def curve(group, arguments):
    """Return the alignment at 100 times, as a function; its answer is the mean cosine."""
    import torch

    from fmdiag import load_dataset
    from fmdiag.diagnostics.alignment import measure as alignment

    data, times = load_dataset("photo-tiles", size=32, n=arguments.n), [0.01 * k for k in range(1, 100)] + [0.995]
    return lambda: alignment.measure(
        data, times=times, n_pairs=arguments.n_pairs, memory=2 << 30, group=group,
        generator=torch.Generator().manual_seed(0))["cosine"].mean()


def neighbors(group, arguments):
    """Return the search of nearest and second nearest rows, as a function; its answer is the mean distance."""
    import torch

    from fmdiag import load_dataset
    from fmdiag.neighbors import nearest_distinct

    data = load_dataset("photo-tiles", size=32, n=arguments.n)
    queries = data[:1000] + 0.1 * torch.randn(data[:1000].shape, generator=torch.Generator().manual_seed(0))
    nearest_distinct(queries[:1], data)   # duplicates are looked for once in a run
    return lambda: float(np.concatenate(group.spread(queries, lambda mine: nearest_distinct(mine, data).d1)).mean())


def theories(group, arguments):
    """Return the comparison of a field with theories, as a function; its answer is the mean share explained."""
    import torch

    from fmdiag import load_dataset
    from fmdiag.diagnostics.theories import measure as compared
    from fmdiag.fields import ClosedFormField

    data = load_dataset("fashion-mnist")
    data, field = data.subset(min(arguments.n, data.n_stored)), ClosedFormField(data.subset(100))
    return lambda: float(compared.measure(
        field, data, theories=("wiener", "local-score"), times=(0.3, 0.8), n_pairs=6, patch_sizes=(7,), n_steps=4,
        memory=2 << 30, group=group, generator=torch.Generator().manual_seed(0))["squared_error"].mean())


MEASURES = {"curve": curve, "neighbors": neighbors, "theories": theories}


def run(n_ranks, n_threads, arguments):
    """Return what `work` printed with so many ranks of so many threads."""
    # After "--" torchrun leaves options alone; before, it takes --n for an abbreviation of its own.
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_ranks), "--"]
    launcher = launcher if n_ranks > 1 else []
    command = [sys.executable, *launcher, str(Path(__file__)), "--work", "--n", str(arguments.n),
               "--n-pairs", str(arguments.n_pairs), "--measure", *arguments.measure]
    root = Path(__file__).parents[1]
    environment = {**os.environ, "OMP_NUM_THREADS": str(n_threads), "OMP_WAIT_POLICY": "PASSIVE",
                   "PYTHONPATH": str(root)}
    found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=root)
    return json.loads(found.stdout.splitlines()[-1])


def compare(arguments):
    """Return the records of alternating runs by measurement."""
    alone, together = [], []
    for _ in range(arguments.rounds):
        alone.append(run(1, 2, arguments))
        together.append(run(2, 1, arguments))
        print(json.dumps([alone[-1], together[-1]]), flush=True)
    return {name: record(arguments, [found[name] for found in alone], [found[name] for found in together])
            for name in arguments.measure}


def record(arguments, alone, together):
    """Return what is saved of one measurement."""
    def median(runs, value):
        return statistics.median(value(found) for found in runs)

    half = median(alone, lambda found: sum(found["processor_seconds"]) / 2)
    clock = [median(runs, lambda found: found["seconds"]) for runs in (alone, together)]
    return {"n": arguments.n, "one_process_two_threads": alone, "two_ranks_one_thread_each": together,
            "ratio_of_median_seconds": clock[1] / clock[0],
            "ratio_of_processor_seconds": median(together, lambda found: max(found["processor_seconds"])) / half,
            "difference_of_answers": abs(alone[0]["answer"] - together[0]["answer"]) / abs(alone[0]["answer"]),
            "load_average": os.getloadavg()[0], "machine": describe()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=50_000)
    parser.add_argument("--n-pairs", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments)
        return
    found = compare(arguments)
    print(json.dumps(found, indent=1))
    if arguments.n >= 50_000:
        known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps({**known, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()

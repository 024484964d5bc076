"""What does the audit's neighbour search of 50 000 samples cost beside a bare FAISS flat search?

Both in one process on the same arrays: `faiss.knn` with k = 2 on float32 arrays that are in memory already, against
`nearest_distinct` from the stored uint8 rows on: conversion, duplicates, float64 scores and proof included. A tenth of
the samples are noisy copies of training rows, the others held-out rows with noise. `--index ivf` measures an index
instead, with its recall. Run on a machine that does nothing else:

    python benchmarks/audit_search.py [--n-samples 50000] [--rounds 1] [--index ivf]
"""

import argparse
import json
import os
import resource
import statistics
import time
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import torch

from fmdiag.datasets import load_dataset
from fmdiag.neighbors import SearchPlan, nearest_distinct
from fmdiag.stats import proportion_interval

RESULTS = Path(__file__).parent / "results"
NOISE, COPIES = 0.02, 0.1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-samples", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--index", default="flat")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    faiss.omp_set_num_threads(arguments.threads)
    training_set = load_dataset("fashion-mnist")
    samples, copied = planted(training_set, arguments.n_samples)
    bare, ours = [], []
    for _ in range(arguments.rounds):
        rows = training_set[:].flatten(1).numpy()
        flat = samples.flatten(1).numpy()
        bare.append(seconds(lambda rows=rows, flat=flat: faiss.knn(flat, rows, 2))[:2])
        del rows
        fresh = replace(training_set)  # duplicates are remembered per object: pay for them in every round
        *times, found = seconds(lambda fresh=fresh: nearest_distinct(samples, fresh, plan=SearchPlan(arguments.index)))
        ours.append(times)
    result = {"data": training_set.name, "n": training_set.n, "dim": training_set.dim, "n_samples": len(samples),
              "index": arguments.index, "threads": arguments.threads,
              "faiss_knn_seconds": [round(one[0], 2) for one in bare],
              "nearest_distinct_seconds": [round(one[0], 2) for one in ours],
              "ratio": ratio(ours, bare, 0), "ratio_of_processor_time": ratio(ours, bare, 1),
              "f_mem_of_copies": float((found.ratio[:copied] < 1 / 3).mean()),
              "f_mem_of_others": float((found.ratio[copied:] < 1 / 3).mean()), **recall(found),
              "load_average": round(os.getloadavg()[0], 1),
              "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
              "faiss": faiss.__version__, "torch": torch.__version__}
    text = json.dumps(result, indent=1) + "\n"
    kind = arguments.index.partition(":")[0]
    out = arguments.out or RESULTS / f"audit_search{'' if kind == 'flat' else f'_{kind}'}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(text)
    print(text, end="")


def planted(training_set, n):
    """Return (samples, number of noisy copies, which come first)."""
    rng = np.random.default_rng(0)
    copied = int(COPIES * n)
    rows = training_set[rng.choice(training_set.n, copied, replace=False)]
    others = training_set.held_out[rng.integers(0, training_set.held_out.n, n - copied)]
    samples = torch.cat([rows, others])
    return samples + NOISE * torch.from_numpy(rng.standard_normal(samples.shape, dtype=np.float32)), copied


def recall(found):
    if found.recalled is None:
        return {}
    checked = found.recalled[~np.isnan(found.recalled)]
    return {"recall": [round(value, 4) for value in proportion_interval(checked.sum(), checked.size)]}


def seconds(run):
    start = time.perf_counter(), time.process_time()
    outcome = run()
    return time.perf_counter() - start[0], time.process_time() - start[1], outcome


def ratio(ours, bare, clock):
    return round(statistics.median(one[clock] for one in ours) / statistics.median(one[clock] for one in bare), 3)


if __name__ == "__main__":
    main()

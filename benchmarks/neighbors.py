"""How much dearer is the exact, duplicate-free search than a bare FAISS search?

Both in one process, alternating, on the same arrays: `faiss.knn` with k = 2 on float32 rows already in memory, against
`nearest_distinct` on the uint8 rows: conversion, duplicates, over-fetch, float64 scores and proof included. Run:

    python benchmarks/neighbors.py [--n-queries 5000] [--rounds 3]
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

from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.errors import FmdiagError
from fmdiag.neighbors import nearest_distinct

OUT = Path(__file__).parent / "results" / "neighbors.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-queries", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    faiss.omp_set_num_threads(arguments.threads)
    training_set = rows_of_fashion_mnist_shape()
    rng = np.random.default_rng(0)
    rows = training_set[:].flatten(1).numpy()
    chosen = training_set[rng.choice(training_set.n, arguments.n_queries, replace=arguments.n_queries > training_set.n)]
    queries = chosen + 0.1 * torch.from_numpy(rng.normal(size=chosen.shape)).float()
    flat = queries.flatten(1).numpy()
    bare, ours = [], []
    for _ in range(arguments.rounds):
        bare.append(seconds(lambda: faiss.knn(flat, rows, 2)))  # (wall clock, processor time)
        fresh = replace(training_set)  # duplicate groups are remembered per object: pay for them in every round
        ours.append(seconds(lambda fresh=fresh: nearest_distinct(queries, fresh)))
    result = {
        "data": training_set.name, "n": training_set.n, "dim": training_set.dim, "n_queries": len(queries),
        "threads": arguments.threads, "rounds": arguments.rounds,
        "faiss_knn_seconds": [round(s[0], 2) for s in bare], "nearest_distinct_seconds": [round(s[0], 2) for s in ours],
        "ratio_of_medians": ratio(ours, bare, 0), "ratio_of_processor_time": ratio(ours, bare, 1),
        "load_average": round(os.getloadavg()[0], 1),
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "faiss": faiss.__version__, "torch": torch.__version__}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def seconds(run):
    start = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def ratio(ours, bare, clock):
    return round(statistics.median(s[clock] for s in ours) / statistics.median(s[clock] for s in bare), 3)


def rows_of_fashion_mnist_shape():
    """Return Fashion-MNIST, or random pictures of its shape where it is absent (their times are alike)."""
    try:
        return load_dataset("fashion-mnist", offline=True)
    except FmdiagError:
        rows = np.random.default_rng(0).integers(0, 256, size=(60000, 1, 28, 28), dtype=np.uint8)
        return TrainingSet(rows, divisor=127.5, shift=-1.0, name="random")


if __name__ == "__main__":
    main()

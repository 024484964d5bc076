"""How long does the curve of û* take on a set of any size, on any number of ranks? A cost model, fitted and checked.

    python -m benchmarks.scale        fits on this machine in a minute of one thread, predicts ImageNet on 8 GPUs

Seconds are a sum of four counts, each times a coefficient: operations of the products, entries of log-weights at the
times at which many rows matter, coordinates that are read once, coordinates of the means of lists. The fit is of
processor seconds on Gaussian rows; its error is that of the sizes left out of it, one at a time. Writes
benchmarks/results/scale.json; docs/scale.md says what is assumed.
"""

import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import nnls

from benchmarks.machine import describe
from fmdiag.datasets import TrainingSet
from fmdiag.posterior import EmpiricalPosterior
from fmdiag.sampling import draw_noise

RESULTS = Path(__file__).parent / "results"
COUNTS = ("product_operations", "entries", "coordinates_read", "coordinates_of_lists")
# Rows, coordinates, pairs, times with many rows, times with few.
SIZES = [(4000, 512, 64, 10, 0), (16000, 512, 64, 10, 0), (4000, 512, 64, 40, 0), (8000, 1024, 128, 20, 0),
         (4000, 3072, 32, 10, 0), (16000, 256, 128, 20, 0), (4000, 2048, 128, 20, 0), (2000, 4096, 64, 5, 100),
         (4000, 1024, 256, 5, 100), (16000, 1024, 128, 2, 50), (16000, 784, 64, 20, 80)]
# (rows, coordinates, bytes of a stored coordinate) of the predictions; GPU numbers are those of on_a_gpu.json.
SETS = {"ImageNet 64 x 64 x 3, uint8": (1_281_167, 12288, 1), "ImageNet latents, 4096, float16": (1_281_167, 4096, 2)}
PAIRS, TIMES, RANKS, WIDE = 256, 100, 8, (11, 50)
NETWORK, STORAGE = 20e9, 1e9   # bytes a second: of a rank's all-reduce between machines, and of its reading


def counts(n, dim, pairs, wide, few):
    """Return the four counts of the curve of some pairs, of one rank that holds n rows."""
    return np.array([2.0 * n * dim * pairs * (2 + wide), n * pairs * wide, n * dim, pairs * dim * few], float)


def exchanged(dim, pairs, wide, few):
    """Return the most bytes that ranks exchange for the curve of `pairs` pairs, of more than 64 coordinates."""
    return 8 + 16 * pairs + pairs * wide * (60 + 4 * dim) + 52 * pairs + few * (16 + pairs * (68 + 8 * dim))


def processor_seconds(n, dim, pairs, wide, few, rounds=2):
    """Return the least processor seconds of one curve: at early times many rows matter, at late ones the own row."""
    rows = TrainingSet(np.random.default_rng(0).standard_normal((n, dim), dtype=np.float32))
    times = [*np.linspace(0.001, 0.02, wide), *np.linspace(0.99, 0.999, few)]
    x0 = draw_noise(pairs, rows.shape, generator=torch.Generator().manual_seed(0))
    given, taken = (x0, rows[:pairs], torch.arange(pairs)), []
    for _ in range(rounds):
        engine, start = EmpiricalPosterior(rows, memory=4 << 30), time.process_time()
        for _ in engine.curve(*given, times):
            pass
        taken.append(time.process_time() - start)
    return min(taken)


def fit(table, seconds):
    """Return the coefficients, none negative, of least relative squares."""
    return nnls(table / seconds[:, None], np.ones(len(seconds)))[0]


def left_out_errors(table, seconds):
    """Return the relative error of each size's prediction from a fit to all others."""
    rest = [np.arange(len(seconds)) != k for k in range(len(seconds))]
    return np.array([table[k] @ fit(table[r], seconds[r]) / seconds[k] - 1 for k, r in enumerate(rest)])


def on_this_kind(coefficients):
    """Return predicted over measured seconds of committed curves, at their own product's rate and on their threads."""
    record, found = json.loads((RESULTS / "closed_form.json").read_text()), {}
    for name in ("photo-tiles", "fashion-mnist"):
        one = record["sets"][name]
        wide = one["floor"]["times_with_many_rows"]
        parts = counts(one["n"], one["dim"], one["pairs"], wide, one["times"] - wide)
        rest = parts[1:] @ coefficients[1:] / record["machine"]["threads"]
        found[name] = (parts[0] / one["product_rate_gflops"] / 1e9 + rest) / one["seconds"]["curve"]
    return found


def on_gpus(n, dim, stored):
    """Return the predicted seconds of one set on RANKS GPUs, for each number of times with many rows.

    A GPU's time beyond its products is known as one number, of Fashion-MNIST: it is counted once as a price per time,
    and once as a price per block of rows and time with many rows, which gives the least and the most.
    """
    record, committed = (json.loads((RESULTS / name).read_text()) for name in ("on_a_gpu.json", "closed_form.json"))
    record, known = record["fashion-mnist"], committed["sets"]["fashion-mnist"]["floor"]["times_with_many_rows"]
    rate, share = record["two_products_tflops"] * 1e12, -(-n // RANKS)
    own = counts(record["n"], record["dim"], record["pairs"], known, 0)[0] / rate
    beyond = record["seconds"] - own
    rows = min(1024, max(8 << 20, 256 * 4 * dim) // (4 * dim))
    found = {}
    for wide in WIDE:
        sent = exchanged(dim, PAIRS, wide, TIMES - wide)
        blocks = math.ceil(share / rows) * wide / (math.ceil(record["n"] / 1024) * known)
        parts = {"products": counts(share, dim, PAIRS, wide, 0)[0] / rate, "least_beyond_products": beyond,
                 "most_beyond_products": beyond * max(1.0, blocks), "reading": share * dim * stored / STORAGE,
                 "exchange": 2 * (RANKS - 1) / RANKS * sent / NETWORK, "gigabytes_exchanged": sent / 1e9}
        both = parts["products"] + parts["reading"] + parts["exchange"]
        found[f"{wide} times with many rows"] = {**parts, "least_seconds": both + parts["least_beyond_products"],
                                                 "most_seconds": both + parts["most_beyond_products"]}
    return found


def main():
    """Measure, fit, check, predict and write the record."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    processor_seconds(*SIZES[0], rounds=1)
    table = np.array([counts(*size) for size in SIZES])
    seconds = np.array([processor_seconds(*size) for size in SIZES])
    found, errors = fit(table, seconds), left_out_errors(table, seconds)
    machine = describe()
    del machine["largest_product_rate_gflops"]   # by the clock, which a busy machine spoils
    record = {"machine": machine, "coefficients": dict(zip(COUNTS, found.tolist(), strict=True)),
              "product_gflops": 1e-9 / found[0] if found[0] else None,
              "sizes": [{"size": size, "processor_seconds": taken, "left_out_error": error}
                        for size, taken, error in zip(SIZES, seconds.tolist(), errors.tolist(), strict=True)],
              "left_out_error": {"median": float(np.median(abs(errors))), "largest": float(abs(errors).max())},
              "predicted_over_measured": on_this_kind(found),
              "gpus": {name: on_gpus(*size) for name, size in SETS.items()}}
    (RESULTS / "scale.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()

"""How fast is û* on a GPU, and is it the same there? Against two plain products per time, in one process.

    python -m benchmarks.on_a_gpu            256 pairs, 100 times, Fashion-MNIST (60 000 x 784), first CUDA device

Ours is timed whole on the device, after one run that is not counted; two products per time (float32, TF32 off) are
timed at four times and scaled to 100. Posterior means are compared with those of this machine's processor at 12 times.
Writes benchmarks/results/on_a_gpu.json.
"""

import json
import statistics
from pathlib import Path

import torch

from benchmarks.closed_form import AT, TIMES, draw
from benchmarks.machine import describe, seconds
from benchmarks.rivals import Products
from fmdiag import load_dataset
from fmdiag.posterior import EmpiricalPosterior

RESULTS = Path(__file__).parent / "results"
CHECKED = TIMES[::9]


def synchronised(work):
    """Return work that ends when the device has done it."""
    def whole():
        work()
        torch.cuda.synchronize()
    return whole


def means(engine, pairs, times):
    """Return the posterior means by (number of the time, number of the pair)."""
    return {(k, int(pair)): found.mean[i].cpu() for k, chosen, found in engine.curve(*pairs, times)
            for i, pair in enumerate(chosen)}


def measure(training_set, n_pairs):
    """Return the record of one data set."""
    pairs = draw(training_set, n_pairs)
    engine = EmpiricalPosterior(training_set, device="cuda")
    ours = seconds(synchronised(lambda: [None for _ in engine.curve(*pairs, TIMES)]), 3)
    rows, x = (part.flatten(1).cuda() for part in (training_set[:], pairs[0]))
    products = Products(rows)
    two = statistics.mean(seconds(synchronised(lambda t=t: products(x, t)), 5) for t in AT) * len(TIMES)
    few = tuple(part[:32] for part in pairs)
    there, here = (means(EmpiricalPosterior(training_set, device=device), few, CHECKED) for device in ("cuda", "cpu"))
    worst = max((there[key] - mean).norm().item() / mean.norm().item() for key, mean in here.items())
    return {"n": training_set.n, "dim": training_set.dim, "pairs": n_pairs, "times": len(TIMES),
            "seconds": ours, "two_products_seconds": two, "two_products_over_ours": two / ours,
            "two_products_tflops": 4 * training_set.n * training_set.dim * n_pairs * len(TIMES) / two / 1e12,
            "largest_relative_difference_of_a_mean": worst}


def main():
    """Measure and write the record."""
    torch.set_flush_denormal(True)
    record = {"machine": describe() | {"device": torch.cuda.get_device_name(0)},
              "fashion-mnist": measure(load_dataset("fashion-mnist"), 256)}
    (RESULTS / "on_a_gpu.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()

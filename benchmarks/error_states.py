"""What does the error at four kinds of states cost beside that at training states alone?

256 states of each kind and 50 times on Fashion-MNIST (60 000 x 784), û* of all rows, a network that costs next to
nothing (so that what is compared is û*), all in one process, the two alternating, the best of the rounds. The band of
shells on further training paths is part of the four kinds. `asked` counts how often the network was asked, which the
ratio of a costly network tends to.

Floor: on paths of pairs two products serve every time (the curve takes 13 in all with its second ones), while states on
trajectories take one product of all points and rows per time each, and a second one while many rows have weight: 100 to
150 products of 24 GFLOP, 14 to 21 s at 175 GFLOP/s beside the 7 s of training states alone, 3 to 4 times these.
Measured on two quiet cores: 11 times; the band of 1000 further paths, sums over many rows, maxima and lists are the
rest.
Run:

    python -m benchmarks.error_states [--rounds 1] [--n-pairs 256]
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch

from benchmarks.machine import describe
from fmdiag.datasets import load_dataset
from fmdiag.diagnostics.error import bands
from fmdiag.diagnostics.error.measure import measure
from fmdiag.diagnostics.error.summary import summarise

OUT = Path(__file__).parent / "results" / "error_states.json"
TIMES = [round(0.02 * k, 2) for k in range(50)]
KINDS = {"train": "train", "train_heldout": "train,heldout", "train_model": "train,model",
         "train_closed_form": "train,closed_form", "all": None}


class Field:
    """A linear velocity that counts the points at which it is asked."""

    def __init__(self):
        self.asked = 0

    def __call__(self, x, t):
        """Return the velocity."""
        self.asked += len(x)
        return -0.5 * x


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--n-pairs", type=int, default=256)
    parser.add_argument("--kinds", default="train,all", help="of " + ", ".join(KINDS))
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)
    data, seconds, asked = load_dataset("fashion-mnist"), {}, {}
    n_held_out = len(data.unseen)   # read, and compared with the training rows, by any command that loads the set
    for _ in range(arguments.rounds):
        for name in arguments.kinds.split(","):
            field, start = Field(), (time.perf_counter(), time.process_time())
            table = measure(field, data, states=KINDS[name], times=TIMES, n_pairs=arguments.n_pairs)
            wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
            seconds.setdefault(name, []).append((round(wall, 1), round(cpu, 1)))
            asked[name] = field.asked
            print(name, seconds[name][-1], flush=True)
    start = time.perf_counter()
    summarise(table)
    best = {name: [min(column) for column in zip(*taken, strict=True)] for name, taken in seconds.items()}
    result = {"n": data.n, "dim": data.dim, "n_held_out": n_held_out, "n_pairs": arguments.n_pairs, "times": len(TIMES),
              "band_paths": bands.band_size(data.n), "seconds_wall_and_cpu": seconds, "asked": asked,
              "summary_seconds": round(time.perf_counter() - start, 1), "load_average": round(os.getloadavg()[0], 1),
              "machine": describe()}
    if {"train", "all"} <= set(best):
        result |= {"all_over_train_wall": round(best["all"][0] / best["train"][0], 2),
                   "all_over_train_cpu": round(best["all"][1] / best["train"][1], 2)}
    OUT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

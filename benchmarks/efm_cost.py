"""What does the target of empirical flow matching add to a training step of a U-Net, per 100 rows of its pool?

    OMP_NUM_THREADS=1 python benchmarks/efm_cost.py --batch-size 16

The U-Net of arXiv 2506.03719 at 3 x 32 x 32; at most 3 % of a step per 100 rows. Both are timed in one process, in
turn, by the processor's time, so that other work on the machine does not matter; the least of several repeats counts.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.fields import build_network
from fmdiag.paths import LinearPath
from fmdiag.training import choose_network, make_objective
from fmdiag.training.loop import regression_batch
from fmdiag.training.losses import regression_loss

POOLS = (100, 200, 400, 800)
BOUND = 0.03


def seconds(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def step(module, optimizer, settings, rows, number):
    xt, target, t = regression_batch(settings, rows, LinearPath(), number)
    loss = regression_loss(module(xt, t), target).mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    optimizer.step()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", default=str(Path(__file__).parent / "results" / "efm_cost.json"))
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    rows = TrainingSet(np.random.default_rng(0).integers(0, 256, (50_000, 3, 32, 32), dtype=np.uint8), 127.5, -1.0)
    module = build_network(choose_network(rows.shape))
    optimizer = torch.optim.Adam(module.parameters(), fused=True)
    base = {"seed": 0, "batch_size": options.batch_size, "objective": make_objective("cfm")}
    steps, targets = [], {0: [], **{size: [] for size in POOLS}}
    for repeat in range(options.repeats):
        steps.append(seconds(lambda: step(module, optimizer, base, rows, repeat)))  # noqa: B023 (called at once)
        for size in targets:
            objective = make_objective("efm", pool_size=size) if size else base["objective"]
            settings = base | {"objective": objective}
            targets[size].append(min(seconds(lambda: regression_batch(settings, rows, LinearPath(), repeat))  # noqa: B023
                                     for _ in range(3)))
    whole, drawn = min(steps), {size: min(times) for size, times in targets.items()}
    share = {size: (drawn[size] - drawn[0]) / whole / (size / 100) for size in POOLS}
    result = {"batch_size": options.batch_size, "parameters": sum(p.numel() for p in module.parameters()),
              "threads": torch.get_num_threads(), "step_seconds": whole, "target_seconds": drawn,
              "share_per_100_rows": share, "bound": BOUND, "within": max(share.values()) <= BOUND}
    print(json.dumps(result, indent=1))
    Path(options.out).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

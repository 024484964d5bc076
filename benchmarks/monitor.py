"""What does the monitor cost at its default budget?

The network of `fmdiag train` on digits (an MLP of 4 blocks of 512, batch 128) is trained on one thread with a look
every 200 steps, and the processor's seconds within the monitor's calls are divided by those of the training around
them; what closing it takes, its last figure, is counted at the end. The budget is kept in time on the clock, of which a
busy machine takes the same share from both. The first look is always made: a run of a few seconds exceeds the budget.
Aim: 3 %, at most 5 %.

    OMP_NUM_THREADS=1 python benchmarks/monitor.py --steps 2000
    OMP_NUM_THREADS=1 python benchmarks/monitor.py --steps 300

write their parts of benchmarks/results/monitor.json, anew after each look.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import torch

from fmdiag import Monitor, load_dataset
from fmdiag.training import choose_network, train

RESULTS = Path(__file__).parent / "results" / "monitor.json"


class Timed:
    """Calls a monitor, and sums the processor's seconds within its calls and between them."""

    def __init__(self, monitor, steps):
        self.monitor, self.steps, self.within, self.looks = monitor, steps, 0.0, []
        self.start = None

    def __call__(self, state):
        """Call the monitor after a step of `fmdiag.train`."""
        before = time.process_time()
        self.start = before if self.start is None else self.start
        table = self.monitor(state.step, state.module, ema=state.ema)
        spent = time.process_time() - before
        self.within += spent
        if table is not None:
            n = table.loc[table["quantity"] == "f_mem", "n"]
            training = before + spent - self.start - self.within
            self.looks.append({"step": state.step, "n": int(n.iloc[0]), "seconds": round(spent, 3),
                               "training_seconds": round(training, 2), "share": round(self.within / training, 4)})
            self.write()

    def close(self):
        """Close the monitor, and write the share of the whole run."""
        before = time.process_time()
        self.monitor.close()
        self.within += time.process_time() - before
        self.write(share=round(self.within / (time.process_time() - self.start - self.within), 4))

    def write(self, **facts):
        """Write what was found so far."""
        record = {"command": f"OMP_NUM_THREADS=1 python benchmarks/monitor.py --steps {self.steps}",
                  "torch": torch.__version__, "threads": torch.get_num_threads(), "budget_percent": 3.0,
                  "left_out": self.monitor.budget.left_out, "looks": self.looks} | facts
        others = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        RESULTS.write_text(json.dumps(others | {f"{self.steps} steps": record}, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    steps = parser.parse_args().steps
    torch.set_flush_denormal(True)
    training_set = load_dataset("digits")
    timed = Timed(Monitor(training_set, every=200), steps)
    spec = choose_network(training_set.shape, "mlp", width=512, depth=4)
    train(training_set, spec, steps=steps, precision="fp32", callback=timed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        timed.close()
    for look in timed.looks:
        print(look)


if __name__ == "__main__":
    main()

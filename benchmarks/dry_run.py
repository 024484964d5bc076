"""How far is the estimate of --dry-run from the real run? Commands on the bundled digits, in processor seconds.

    OMP_NUM_THREADS=1 python -m benchmarks.dry_run            four minutes of one processor
    OMP_NUM_THREADS=1 python -m benchmarks.dry_run hybrid     renews some of the commands

Estimated with the clock of the processor, so that other work on the machine counts for neither side; measured as user
and system time of the command as a process of its own, imports, figures and page included, with its largest resident
memory. Writes benchmarks/results/dry_run.json.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.machine import describe
from fmdiag.checkpoints import bundled_checkpoint
from fmdiag.runs.dry_run import DryRun

RESULT = Path(__file__).parent / "results" / "dry_run.json"
MODEL = str(bundled_checkpoint("digits"))
FEW = {"n_pairs": 64, "n_samples": 256, "n_noises": 64, "n_images": 32, "n_steps": 50}
COMMANDS = {
    **{name: ({}, []) for name in ("alignment", "error", "hybrid", "memorization", "uturn", "membership", "theories",
                                   "report")},
    "report, few": (FEW, [word for name, n in FEW.items() for word in (f"--{name.replace('_', '-')}", str(n))])}


def estimated(name, chosen):
    """Return (seconds, bytes) of the estimate."""
    with DryRun(None if name == "alignment" else MODEL, train="digits", name=name) as run:
        if name == "report":
            run.report(**chosen)
        else:
            run.measure(name, **chosen)
        found = run.estimate(clock=time.process_time)
    return found.seconds, sum(found.memory.values())


def measured(name, words):
    """Return (processor seconds, largest resident bytes) of the command."""
    with tempfile.TemporaryDirectory() as folder:
        model = ["--dataset", "digits"] if name == "alignment" else [MODEL]
        process = subprocess.Popen([sys.executable, "-m", "fmdiag", name, *model, *words, "--out", f"{folder}/run"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"fmdiag {name} failed")
    return used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss


def main():
    """Estimate, run, write."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    rows = {}
    for label in sys.argv[1:] or COMMANDS:
        chosen, words = COMMANDS[label]
        name = label.partition(",")[0]
        (guess, extra), (taken, resident) = estimated(name, chosen), measured(name, words)
        rows[label] = {"command": label, "estimated": round(guess, 1), "measured": round(taken, 1),
                     "ratio": round(guess / taken, 2), "resident_mb": round(resident / 1e6),
                       "named_mb": round(extra / 1e6, 1)}
        print(rows[label], flush=True)
    before = json.loads(RESULT.read_text())["commands"] if RESULT.is_file() else []
    rows = {row["command"]: row for row in before} | rows
    machine = describe()
    machine.pop("largest_product_rate_gflops", None)   # by the clock, which a busy machine spoils
    RESULT.write_text(json.dumps({"machine": machine, "commands": [
        rows[label] for label in COMMANDS if label in rows]}, indent=1) + "\n")


if __name__ == "__main__":
    main()

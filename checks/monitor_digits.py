"""Does `fmdiag train --monitor` find when a network begins to memorise, and claim nothing of one that does not?

A residual MLP (2 blocks of 256) is trained on 16 digits and on 1500, five seeds each: for 6000 steps with the default
budget, which chooses how many samples a look draws and which looks are left out, and for 1500 steps without one, with a
look of 64 samples every 300 steps. Expected: tau_mem, the first look whose test of copies rejects at 5 % over all looks
and tests together, is found for each of the runs on 16 digits, and for none of those on 1500.

    OMP_NUM_THREADS=1 python -m checks.monitor_digits default /tmp/monitor-digits
    OMP_NUM_THREADS=1 python -m checks.monitor_digits none /tmp/monitor-digits-64

Runs that are finished in the folder are not made again; writes its part of checks/results/monitor_digits.json.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import torch

from fmdiag.cli.main import run
from fmdiag.monitoring.onset import onsets, with_corrected

RESULTS = Path(__file__).parent / "results" / "monitor_digits.json"
SIZES, SEEDS, EVERY = (16, 1500), range(5), 300
BUDGETS = {"default": (6000, ()), "none": (1500, ("--monitor-budget", "0"))}   # steps, options


def trained(folder, n, seed, steps, options):
    """Return the table of looks at one run, made if it is not there."""
    if not (folder / "run.json").is_file():
        resume = ["--resume"] if (folder / "state.pt").is_file() else [
            "--dataset", "digits", "--n", str(n), "--network", "mlp", "--width", "256", "--depth", "2", "--batch-size",
            "64", "--lr", "1e-3", "--steps", str(steps), "--seed", str(seed), "--precision", "fp32"]
        code = run(["train", *resume, "--monitor", str(EVERY), *options, "--out", str(folder)])
        if code:
            raise SystemExit(f"{folder}: fmdiag train ended with code {code}")
    return pd.read_parquet(folder / "tables/monitor.parquet")


def found(table):
    """Return what is claimed of one run: steps of onsets with their intervals, and the looks' values."""
    claimed = onsets(table)
    copies = with_corrected(table)
    rows = copies[copies["quantity"] == "f_mem_excess"]
    shares = table[table["quantity"] == "f_mem"]
    return {"onsets": {row.quantity: [number(row.value), number(row.low), number(row.high), row.p]
                       for row in claimed.itertuples() if row.quantity != "tau_gen"},
            "step": table["step"].unique().tolist(), "n": shares["n"].tolist(), "f_mem": shares["value"].tolist(),
            "seconds": [round(part.drop_duplicates("measure")["seconds"].sum(), 3) for _, part in table.groupby("step")],
            "f_mem_heldout": table.loc[table["quantity"] == "f_mem_heldout", "value"].tolist(),
            "auc": table.loc[table["quantity"] == "auc", "value"].tolist(),
            "p_corrected": rows["p_corrected"].tolist()}


def number(value):
    """Return a step as JSON has it: None where it was not reached."""
    return float(value) if pd.notna(value) and value != float("inf") else None


def main():
    budget, folder, start = sys.argv[1], Path(sys.argv[2]), time.monotonic()
    steps, options = BUDGETS[budget]
    runs = {f"n{n}-seed{seed}": found(trained(folder / f"n{n}-seed{seed}", n, seed, steps, options))
            for seed in SEEDS for n in SIZES}
    hits = {n: sum(runs[f"n{n}-seed{seed}"]["onsets"]["tau_mem"][0] is not None for seed in SEEDS) for n in SIZES}
    record = json.loads(RESULTS.read_text())
    record[budget] = {"command": f"OMP_NUM_THREADS=1 python -m checks.monitor_digits {budget} FOLDER",
                      "torch": torch.__version__, "steps": steps, "every": EVERY, "tau_mem_found": hits, "runs": runs}
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    for n in SIZES:
        print(f"n = {n}: tau_mem found in {hits[n]} of {len(SEEDS)} runs")
    print(f"{time.monotonic() - start:.0f} s")
    return 0 if hits == {SIZES[0]: len(SEEDS), SIZES[1]: 0} else 1


if __name__ == "__main__":
    sys.exit(main())

"""The same answers on a GPU: every measuring command on both devices, its tables compared column by column, and timed.

    python -m checks.same_on_a_gpu                 first CUDA device; writes checks/results/same_on_a_gpu.json

Noises are drawn on the processor from a seed per sample, so that both devices follow the same trajectories; what may
differ is rounding, and what rounding decides: which of two equally near rows is named, and weights near a tie. Of a
numeric column the largest difference is stated in units of the column's range, of any other the share that is equal.
Discrete columns may differ in 1 % of the rows, numeric ones by 1e-3 of their range in all but 1 % of them.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import fmdiag
from fmdiag.checkpoints import bundled_checkpoint
from fmdiag.diagnostics import DIAGNOSTICS

RESULTS = Path(__file__).parent / "results" / "same_on_a_gpu.json"
SOLVER = {"n_steps": 20, "method": "euler"}
MEASURES = {
    "alignment": {"n_pairs": 64},
    "error": {"n_pairs": 64, "times": (0.1, 0.3, 0.5, 0.7, 0.9)},
    "hybrid": {"n_samples": 32, "n_steps": 20, "taus": (0.0, 0.3, 0.6)},
    "memorization": {"n_samples": 256, **SOLVER},
    "metrics": {"n_samples": 256, "features": ("pca",), **SOLVER},
    "quality": {"n_samples": 256, "metrics": ("frechet", "prdc"), **SOLVER},
    "membership": {"n_images": 64, "n_noises": 4, "n_paths": 32, **SOLVER},
    "provenance": {"n_noises": 64, "n_samples": 16, **SOLVER},
    "uturn": {"n_starts": 16, "times": (0.3, 0.6, 0.9), **SOLVER},
    "theories": {"n_pairs": 16, "n_calibration": 8, "times": (0.3, 0.8), "theories": ("wiener", "local-score"),
                 **SOLVER},
    "symmetry": {"times": (0.2, 0.5, 0.8)},
    "gradient-variance": {"n_samples": 16},
    "geometry": {"n_images": 16, "times": (0.5, 0.8, 0.95), **SOLVER},
    "patches": {"n_samples": 64, **SOLVER},
    "duplicates": {"n_examples": 500},
}
BOUNDS = ("dropped_mass", "mean_error")   # bounds on rounding itself, measured in blocks of another size
WITHIN, APART = 1e-3, 0.01   # of a column's range, in all but this share of its rows


def main():
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--checkpoint", action="append", type=Path, help="bundled digits, if none is given")
    parser.add_argument("--measure", action="append", choices=MEASURES, help="every command, if none is given")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    card = torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device
    found = []
    for file in options.checkpoint or [bundled_checkpoint()]:
        found.append(compared(file, options.device, options.measure or MEASURES))
        options.results.write_text(json.dumps({"device": card, "torch": torch.__version__, "checkpoints": found},
                                              indent=1) + "\n")
    raise SystemExit(any(one["unlike"] for one in found))


def compared(file, device, names):
    """Return how the tables of the commands `names` of one checkpoint differ between the devices."""
    outcome, unlike = {}, []
    for name in names:
        parameters = MEASURES[name]
        (here, seconds), (there, on_device) = (measured(file, name, parameters, where) for where in ("cpu", device))
        if here is None or there is None:
            unlike += [name] * ((here is None) != (there is None))
            continue
        columns = {f"{key}.{column}": differing(here[key][column], there[key][column])
                   for key in here for column in here[key] if column not in BOUNDS}
        worst = max(columns, key=lambda one: (columns[one]["apart"], columns[one]["largest"] or 0.0))
        outcome[name] = {"seconds_cpu": round(seconds, 2), "seconds_device": round(on_device, 2),
                         "columns": len(columns), "worst": worst, **columns[worst]}
        unlike += [f"{name} {column}" for column, one in columns.items() if one["apart"] > APART]
        print(name, json.dumps(outcome[name]), flush=True)
    return {"checkpoint": file.name, "commands": outcome, "unlike": unlike}


def measured(file, name, parameters, device):
    """Return ({table: DataFrame}, seconds) of one diagnostic on one device; (None, 0) where it does not apply."""
    with fmdiag.Run(file, device=device, seed=0) as run:
        if run.lacks(DIAGNOSTICS[name]) is not None:
            return None, 0.0
        start = time.perf_counter()
        result = run.measure(name, **parameters)
        return result.all_tables(), time.perf_counter() - start


def differing(here, there):
    """Return the largest difference of two columns in units of their range, and the share of rows that are apart."""
    if len(here) != len(there) or here.empty:
        return {"largest": None, "apart": float(len(here) != len(there))}
    if not pd.api.types.is_float_dtype(here):
        return {"largest": None, "apart": float((here.astype(str).to_numpy() != there.astype(str).to_numpy()).mean())}
    one, other = here.to_numpy(float), there.to_numpy(float)
    finite = np.isfinite(one) & np.isfinite(other)
    width = np.ptp(one[finite]) if finite.any() else 0.0
    away = np.where(finite, np.abs(one - other) / (width or max(1.0, np.abs(one[finite]).max(initial=0))), 0.0)
    away[np.isfinite(one) != np.isfinite(other)] = np.inf
    return {"largest": float(away.max(initial=0)), "apart": float((away > WITHIN).mean())}


if __name__ == "__main__":
    main()

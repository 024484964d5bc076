"""The same numbers before and after a change of structure: tables of a dozen commands at fixed seeds, kept and compared.

    python -m checks.same_numbers keep before/                  in the older checkout
    python -m checks.same_numbers keep after/                   in the newer one
    python -m checks.same_numbers compare before/ after/        what differs beyond rounding, with INTENDED changes named

Tables are compared column by column: columns and rows that only one side has are named, numbers may differ by 1e-6 of
their size.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

MLP = ["--network", "mlp", "--width", "16", "--depth", "1", "--batch-size", "8"]
SMALL = ["--n-samples", "70", "--n-steps", "10"]
COMMANDS = {
    "report": ["report", "--n-pairs", "16", "--n-noises", "16", "--n-gradients", "4", *SMALL],
    "audit": ["audit", "{digits}", "--n-images", "16", "--n-noises", "2", *SMALL],
    "alignment": ["alignment", "--dataset", "two-moons", "--n", "500", "--n-pairs", "32"],
    "memorization": ["memorization", "{digits}", "--feature", "pixels", "--feature", "pca", *SMALL],
    "provenance": ["provenance", "{digits}", "--n-noises", "32", "--n-steps", "10"],
    "gradient-variance": ["gradient-variance", "{digits}", "--n-samples", "6", "--sigma", "0.05"],
    "gaussian": ["gradient-variance", "--gaussian", "--n-gaussian", "200"],
    "agreement": ["agreement", "{digits}", "{digits}", "--n-samples", "16", "--n-steps", "5"],
    "pairing": ["pairing", "--crossing", "2", "--n-pairs", "40", "--steps", "60", "--width", "16", "--depth", "1"],
    "study": ["study", "size", "--dataset", "digits", *MLP, "--sizes", "10,20", "--seeds", "2", "--steps", "150",
              "--n-samples", "32", "--n-nearest", "16", "--n-steps", "5", "--n-pairs", "8", "--warmup", "5"],
}
# What was meant to change, by table and column: a reason for each. Nothing else may.
INTENDED = {" only after": "a column or quantity that is new", ".parquet: new": "a table that is new",
            " rows before, ": "quantities that are new or gone, named beside",
            "resolvable_excess": "power is simulated with the very rule",
            "samples_needed_": "power is simulated with the very rule",
            "p_sweep": "one p-value over all thresholds", "p_holm": "one p-value over all thresholds",
            "sweep.parquet: column comparisons": "one p-value over all thresholds",
            "sweep.parquet: column p_value": "one p-value over all thresholds",
            " column excess_low": "copies of one training example counted together",
            " column excess_high": "copies of one training example counted together",
            "f_mem_excess newcombe only before": "copies of one training example counted together",
            "auc bootstrap only before": "Newcombe's interval of areas, a band over times",
            "auc_overall bootstrap only before": "Newcombe's interval of areas",
            "auc_p mann-whitney only before": "exchanges within pairs of one noise",
            "mean_error": "a bound on rounding, which differs with the blocks",
            "largest_variance": "the range of the conditional variance, for its interval",
            "bounded only after": "Gaffke's intervals of means within a known range",
            **{f" {name} only before": "Gaffke's intervals of means within a known range" for name in (
                "cosine student", "source_weight student", "max_weight student", "entropy student",
                "conditional_variance student", "top_weight bootstrap", "top_weight student")},
            "collapse_time_measured": "where the band of the mean source weight crosses 1/2: another band",
            "metrics.parquet": "held-out rows in the samples' place beside every metric",
            "column caution only after": "what has to be known to read a metric's value",
            **{f"metrics {name}": "limits of shares and quantiles at the effective number of samples; held-out rows"
               for name in ("authpct", "carlini", "dcr", "nndr", "fld", "frechet", "kid", "precision", "recall",
                            "density", "coverage", "mifid", "ct", "f_mem")}}
RTOL = 1e-6


def main():
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("keep").add_argument("folder", type=Path)
    compare = actions.add_parser("compare")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    compare.add_argument("--results", type=Path, help="JSON file of the outcome")
    options = parser.parse_args()
    if options.action == "keep":
        keep(options.folder)
        return
    outcome = compared(options.before, options.after)
    print(json.dumps(outcome, indent=1))
    if options.results:
        options.results.write_text(json.dumps(outcome, indent=1) + "\n")
    raise SystemExit(bool(outcome["unexpected"]))


def keep(folder):
    """Run every command of this checkout into a folder of its own below `folder`."""
    from fmdiag.checkpoints import bundled_checkpoint

    for name, words in COMMANDS.items():
        out = folder / name
        if (out / "run.json").is_file():
            continue
        words = [str(bundled_checkpoint()) if word == "{digits}" else word for word in words]
        done = subprocess.run([sys.executable, "-m", "fmdiag.cli.main", *words, "--out", str(out)], text=True,
                              capture_output=True)
        print(f"{name}: exit code {done.returncode} {done.stderr.strip()[-200:] if done.returncode else ''}", flush=True)


def compared(before, after):
    """Return what differs: {"tables": number compared, "intended": [...], "unexpected": [...]}."""
    found, n = [], 0
    for file in sorted(before.rglob("tables/*.parquet")):
        name, other = file.relative_to(before).as_posix(), after / file.relative_to(before)
        n += 1
        found += _differences(name, pd.read_parquet(file), pd.read_parquet(other)) if other.is_file() else [
            f"{name}: missing"]
    found += [f"{file.relative_to(after).as_posix()}: new" for file in sorted(after.rglob("tables/*.parquet"))
              if not (before / file.relative_to(after)).is_file()]
    intended = [text for text in found if any(key in text for key in INTENDED)]
    return {"tables": n, "intended": {text: next(INTENDED[key] for key in INTENDED if key in text) for text in intended},
            "unexpected": [text for text in found if text not in intended]}


def _differences(name, before, after):
    found = [f"{name}: column {c} only before" for c in before.columns.difference(after.columns)]
    found += [f"{name}: column {c} only after" for c in after.columns.difference(before.columns)]
    if name.endswith("summary.parquet"):
        keys = [c for c in ("diagnostic", "quantity", "interval") if c in before and c in after]
        before, after, lost = _aligned(before, after, keys, name)
        found += lost
    if len(before) != len(after):
        return [*found, f"{name}: {len(before)} rows before, {len(after)} after"]
    groups = before.groupby("quantity").indices if name.endswith("summary.parquet") else {"": slice(None)}
    return found + [f"{name}: {quantity} column {c} differs" for c in before.columns.intersection(after.columns)
                    for quantity, rows in groups.items() if not _equal(before[c].iloc[rows], after[c].iloc[rows])]


def _aligned(before, after, keys, name):
    """Return both summaries cut to the quantities that both have, and the names of the others."""
    groups = [set(map(tuple, table[keys].fillna("").astype(str).itertuples(index=False))) for table in (before, after)]
    lost = [f"{name}: {' '.join(key)} only {when}" for when, only in (("before", groups[0] - groups[1]),
                                                                     ("after", groups[1] - groups[0]))
            for key in sorted(only)]
    shared = groups[0] & groups[1]
    cut = [table[[tuple(row) in shared for row in table[keys].fillna("").astype(str).itertuples(index=False)]]
           .reset_index(drop=True) for table in (before, after)]
    return *cut, lost


def _equal(before, after):
    if pd.api.types.is_numeric_dtype(before) and pd.api.types.is_numeric_dtype(after):
        return np.allclose(before.astype(float), after.astype(float), rtol=RTOL, atol=1e-9, equal_nan=True)
    return before.fillna("").astype(str).tolist() == after.fillna("").astype(str).tolist()


if __name__ == "__main__":
    main()

"""End a command by kill -9 at random moments until it is done, and compare with a run that was left alone.

    python tests/faults/kill.py --command report --kills 20
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

TRAIN = ["train", "--dataset", "digits", "--n", "40", "--network", "mlp", "--width", "16", "--depth", "1", "--steps",
         "1500", "--batch-size", "8", "--precision", "fp32", "--save-seconds", "0.1"]
COMMANDS = {
    "train": TRAIN,
    "memorization": ["memorization", "{digits}", "--n-samples", "600", "--n-steps", "40"],
    "report": ["report", "{digits}", "--n-pairs", "8", "--n-samples", "70", "--n-noises", "8", "--n-gradients", "4",
               "--n-steps", "10"],
}
START_UP = 0.25  # of a run's time: before it nothing of ours runs


def started(name, out):
    """Start the command; a training run that has been saved is resumed, everything else is simply started again."""
    from fmdiag.checkpoints import bundled_checkpoint

    words = [str(bundled_checkpoint()) if word == "{digits}" else word for word in COMMANDS[name]]
    if name == "train" and (out / "state.pt").is_file():
        words = ["train", "--resume", "--save-seconds", "0.1"]
    return subprocess.Popen([sys.executable, "-m", "fmdiag.cli.main", *words, "--out", str(out)],
                            env={**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)


def finished(process):
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return errors


def refused(name, out):
    """A run that was whole before its process was killed: the command says so, and clears up what was left of it."""
    process = started(name, out)
    _, errors = process.communicate()
    assert process.returncode == 2 and f"{out} exists" in errors, errors


def contents(out):
    """Return what a run found: its tables, its arrays and, of a training run, its weights."""
    import torch

    found = {path.stem: pd.read_parquet(path) for path in sorted(out.glob("tables/*.parquet"))}
    for path in sorted(out.glob("arrays/*.npz")):
        with np.load(path) as arrays:
            found |= {f"{path.stem} {key}": arrays[key] for key in arrays.files}
    if (out / "checkpoint.pt").is_file():
        content = torch.load(out / "checkpoint.pt", weights_only=True)
        found |= {f"weights {key}": w.numpy() for key, w in content["weights"].items()}
    return found


def compare(whole, killed):
    """Raise AssertionError unless two runs found the same, to the last bit."""
    assert whole.keys() == killed.keys(), whole.keys() ^ killed.keys()
    for name, expected in whole.items():
        if isinstance(expected, pd.DataFrame):
            pd.testing.assert_frame_equal(expected, killed[name], check_exact=True, obj=name)
        else:
            np.testing.assert_array_equal(expected, killed[name], err_msg=name)


def kill_at_random(name, kills, folder, *, seed=0, say=print):
    """Kill a command `kills` times; return (kills, runs completed in between, kills after which a part was reused)."""
    rng, start = random.Random(f"{name} {seed}"), time.monotonic()
    finished(started(name, folder / "whole"))
    lasts = time.monotonic() - start
    expected = contents(folder / "whole")
    killed = runs = resumed = 0
    while killed < kills or runs == 0:
        out = folder / f"killed-{runs}"
        while killed < kills:
            if name != "train" and (out / "run.json").is_file():
                refused(name, out)
                break
            process, after = started(name, out), lasts * rng.uniform(START_UP, 1.0)
            try:
                errors = process.communicate(timeout=after)[1]
                assert process.returncode == 0, errors
                break
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                errors = process.communicate()[1]
                killed += 1
                resumed += "resumed: " in errors
                say(f"{name}: kill {killed} after {after:.1f} of {lasts:.1f} s")
        else:
            errors = ""
            if name != "train" and (out / "run.json").is_file():
                refused(name, out)
            else:
                errors = finished(started(name, out))
        resumed += "resumed: " in errors
        compare(expected, contents(out))
        left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
        left += [path.name for path in out.rglob("*.partial")]
        assert not left, left
        runs += 1
    return killed, runs, resumed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", choices=COMMANDS, action="append", help="default: all")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.command or COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            killed, runs, resumed = kill_at_random(name, options.kills, Path(folder), seed=options.seed)
        print(f"{name}: {killed} kills, {runs} runs completed, {resumed} processes reused finished parts; tables, "
              "arrays and weights are those of the run that was left alone, to the last bit", flush=True)


if __name__ == "__main__":
    main()

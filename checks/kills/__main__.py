"""End a command by kill -9 at random moments until it is done, and compare with a run that was left alone.

    python -m checks.kills --command report --kills 20
    python -m checks.kills --command report --kills 4 --ranks 2     under torchrun
    python -m checks.kills --results checks/results/kills.json

Moments are uniform over the time that the command takes. Killed are all of its processes, ranks included. A command
that ends is compared (tables, arrays and weights, to the last bit) and begun anew, until all kills are used.
"""

import argparse
import contextlib
import json
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

MLP = ["--network", "mlp", "--width", "16", "--depth", "1", "--batch-size", "8"]
COMMANDS = {
    "train": ["train", "--dataset", "digits", "--n", "40", *MLP, "--steps", "1200", "--precision", "fp32",
              "--save-seconds", "0.1"],
    "study": ["study", "size", "--dataset", "digits", *MLP, "--sizes", "10,20", "--seeds", "2", "--steps", "150",
              "--n-samples", "32", "--n-nearest", "16", "--n-steps", "5", "--n-pairs", "8", "--warmup", "5"],
    "memorization": ["memorization", "{digits}", "--n-samples", "600", "--n-steps", "40"],
    "report": ["report", "{digits}", "--n-pairs", "8", "--n-samples", "70", "--n-noises", "8", "--n-gradients", "4",
               "--n-steps", "10"],
    "audit": ["audit", "{digits}", "--n-samples", "64", "--n-images", "8", "--n-noises", "1", "--n-steps", "10"],
}


def started(name, out, ranks=1):
    """Start the command; a training run that has been saved is resumed, everything else is simply started again."""
    from fmdiag.checkpoints import bundled_checkpoint

    words = [str(bundled_checkpoint()) if word == "{digits}" else word for word in COMMANDS[name]]
    if name == "train" and (out / "state.pt").is_file():
        words = ["train", "--resume", "--save-seconds", "0.1"]
    runner = [] if ranks == 1 else ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "-m",
                                    "--"]
    module = ["-m", "fmdiag.cli.main"] if ranks == 1 else ["fmdiag.cli.main"]
    return subprocess.Popen([sys.executable, *runner, *module, *words, "--out", str(out)],
                            env={**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)


def finished(process):
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return errors


def refused(name, out, ranks):
    """A run that was whole before its process was killed: the command says so, and clears up what was left of it."""
    process = started(name, out, ranks)
    _, errors = process.communicate()
    assert process.returncode != 0 and f"{out} exists" in errors, errors


def kill_all(pid):
    """Kill a process and its children, ranks in sessions of their own too; return when the children are gone."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    for number in (*children, pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    while any(runs(child) for child in children):
        time.sleep(0.02)


def runs(pid):
    """Return whether a process is there and no zombie, which has no command line."""
    with contextlib.suppress(OSError):
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    return False


def is_whole(name, out):
    """Return whether the command would refuse to make this run again."""
    return name not in ("train", "study") and (out / "run.json").is_file()


def has_finished_work(out):
    """Return whether a process that is started now can go on from what an earlier one finished."""
    kept = out.parent / f".{out.name}.parts"
    return (out / "state.pt").is_file() or any(path.name not in ("lock", ".whole") and ".partial" not in path.name
                                               for folder in (kept, out / "parts") for path in folder.glob("[!.]*"))


def contents(out):
    """Return what a run found: its tables, its arrays and the weights of what it trained."""
    import torch

    found = {path.stem: pd.read_parquet(path) for path in sorted(out.glob("tables/*.parquet"))}
    for path in sorted(out.glob("arrays/*.npz")):
        with np.load(path) as arrays:
            found |= {f"{path.stem} {key}": arrays[key] for key in arrays.files}
    for path in sorted(out.rglob("checkpoint.pt")):
        content = torch.load(path, weights_only=True)
        found |= {f"{path.relative_to(out)} {key}": w.numpy() for key, w in content["ema"].items()}
    return found


def compare(whole, killed):
    """Raise AssertionError unless two runs found the same, to the last bit."""
    assert whole.keys() == killed.keys(), whole.keys() ^ killed.keys()
    for name, expected in whole.items():
        if isinstance(expected, pd.DataFrame):
            pd.testing.assert_frame_equal(expected, killed[name], check_exact=True, obj=name)
        else:
            np.testing.assert_array_equal(expected, killed[name], err_msg=name)


def left_over(folder, out):
    """Return what no run may leave: hidden files beside it, half-written ones in it."""
    found = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    return found + [str(path.relative_to(out)) for path in out.rglob("*.partial")]


def kill_at_random(name, kills, folder, *, seed=0, ranks=1, say=print):
    """Kill a command `kills` times; return how it went, a dict of plain values."""
    rng, start = random.Random(f"{name} {seed}"), time.monotonic()
    finished(started(name, folder / "whole", ranks))
    lasts, expected = time.monotonic() - start, contents(folder / "whole")
    assert expected
    killed, runs, resumed, moments = 0, 0, 0, []
    while killed < kills or runs == 0:
        out = folder / f"killed-{runs}"
        while not is_whole(name, out):
            resumed += has_finished_work(out)
            process, after = started(name, out, ranks), lasts * rng.random()
            try:
                errors = process.communicate(timeout=after if killed < kills else None)[1]
                assert process.returncode == 0, errors
                break
            except subprocess.TimeoutExpired:
                kill_all(process.pid)
                process.communicate()
                killed += 1
                moments.append(round(after / lasts, 3))
                say(f"{name}: kill {killed} after {after:.1f} of {lasts:.1f} s")
        else:
            refused(name, out, ranks)
        compare(expected, contents(out))
        assert not left_over(folder, out), left_over(folder, out)
        runs += 1
    return {"kills": killed, "runs completed": runs, "processes that found finished work": resumed, "tables": sum(
        isinstance(value, pd.DataFrame) for value in expected.values()), "arrays and weights": sum(
        isinstance(value, np.ndarray) for value in expected.values()), "different": 0, "ranks": ranks,
        "seconds of a whole run": round(lasts, 1), "moments, of a whole run": " ".join(map(str, sorted(moments)))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", choices=COMMANDS, action="append", help="default: all")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--results", type=Path, help="JSON file that the outcome is added to")
    options = parser.parse_args()
    for name in options.command or COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            found = kill_at_random(name, options.kills, Path(folder), seed=options.seed, ranks=options.ranks)
        print(f"{name}: {found['kills']} kills, {found['runs completed']} runs completed, "
              f"{found['processes that found finished work']} processes found finished work; tables, arrays and "
              "weights are those of the run that was left alone, to the last bit", flush=True)
        if options.results:
            note(options.results, name if options.ranks == 1 else f"{name}, {options.ranks} ranks", options.seed, found)


def note(file, name, seed, found):
    """Add an outcome to a JSON file: by command, then by seed."""
    results = json.loads(file.read_text()) if file.exists() else {}
    results.setdefault(name, {})[f"seed {seed}"] = found
    file.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

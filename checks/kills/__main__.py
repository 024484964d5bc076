"""End a command by kill -9 at many moments until it is done, and compare with a run that was left alone.

    python -m checks.kills --command report --kills 20
    python -m checks.kills --command report --kills 4 --ranks 2     under torchrun
    python -m checks.kills --results checks/results/kills.json

Moments are spread over the command's work, and over the time in which its output comes into being. Killed are all of
its processes, ranks included. A command that ends is compared (the names of its files; tables, arrays and weights, to
the last bit) and begun anew, until all kills are used.
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

from checks.kills.child import Child
from checks.kills.moments import WAIT, family, is_seen, planned, processor_seconds

MLP = ["--network", "mlp", "--width", "16", "--depth", "1", "--batch-size", "8"]
COMMANDS = {
    "train": ["train", "--dataset", "digits", "--n", "40", *MLP, "--steps", "300", "--precision", "fp32",
              "--save-seconds", "0.1"],
    "study": ["study", "size", "--dataset", "digits", *MLP, "--sizes", "10,20", "--seeds", "1", "--steps", "100",
              "--n-samples", "32", "--n-nearest", "16", "--n-steps", "5", "--n-pairs", "8", "--warmup", "5"],
    "memorization": ["memorization", "{digits}", "--n-samples", "128", "--n-steps", "10"],
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
    words += ["--out", str(out)]
    return Child(words) if ranks == 1 else under_torchrun(words, ranks)


def under_torchrun(words, ranks):
    """Start a command in `ranks` processes."""
    runner = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "-m", "--"]
    return subprocess.Popen([sys.executable, *runner, "-m", "fmdiag.cli.main", *words],
                            env={**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)


def finished(process):
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def refused(name, out, ranks):
    """A run that was whole before its process was killed: the command says so, and clears up what was left of it."""
    process = started(name, out, ranks)
    _, errors = process.communicate()
    assert process.returncode != 0 and f"{out} exists" in errors, errors


def kill_all(pid):
    """Kill a process and its children, ranks in sessions of their own too; return when the children are gone."""
    members = family(pid)
    for number in reversed(members):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    while any(runs(child) for child in members[1:]):
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


def listing(out):
    """Return the names of the files of a run folder."""
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


def left_over(folder, out):
    """Return what no run may leave: hidden files beside it, half-written ones in it."""
    found = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    return found + [str(path.relative_to(out)) for path in out.rglob("*.partial")]


def watch(name, out, ranks):
    """Let the command end; return the processor seconds at which it first wrote something, and in all."""
    process, begins, ends = started(name, out, ranks), None, 0.0
    while process.poll() is None:
        ends = max(ends, processor_seconds(process.pid))
        if begins is None and has_finished_work(out):
            begins = ends
        time.sleep(0.005)
    finished(process)
    return ends if begins is None else begins, ends


def killed(process, out, moment):
    """Kill a process at a moment; return whether it had not ended before."""
    seen = None
    while process.poll() is None:
        if seen is None and moment.sign is not None and is_seen(moment.sign, out):
            seen = time.monotonic()
        if moment.has_come(process.pid, seen):
            kill_all(process.pid)
            process.communicate()
            return True
        time.sleep(WAIT if moment.sign else 10 * WAIT)
    return False


def kill_often(name, kills, folder, *, seed=0, ranks=1, say=print):
    """Kill a command `kills` times, each time at another moment; return how it went, a dict of plain values."""
    begins, ends = watch(name, folder / "whole", ranks)
    whole, files = contents(folder / "whole"), listing(folder / "whole")
    moments, used, counts = planned(kills, name, begins, ends, random.Random(f"{name} {seed}")), [], [0, 0]
    assert whole
    while moments or not counts[0]:
        out = folder / f"killed-{counts[0]}"
        counts[1] += _until_whole(name, out, ranks, moments, used, say)
        compare(whole, contents(out))
        assert listing(out) == files, listing(out) ^ files
        assert not left_over(folder, out), left_over(folder, out)
        counts[0] += 1
    kinds = [isinstance(value, pd.DataFrame) for value in whole.values()]
    return {"kills": len(used), "runs completed": counts[0], "processes that found finished work": counts[1],
            "tables": sum(kinds), "arrays and weights": len(kinds) - sum(kinds), "different": 0, "ranks": ranks,
            "processor seconds of a whole run": round(ends, 1), "of them before anything was written": round(begins, 1),
            "kills after": {sign or "the start": " ".join(f"{after:.2f}" for after in afters)
                            for sign, afters in _by_sign(used).items()}}


def _until_whole(name, out, ranks, moments, used, say):
    """Start and kill until a process ends by itself; return how many found finished work."""
    found = 0
    while not is_whole(name, out):
        has_work = has_finished_work(out)
        found += has_work
        process = started(name, out, ranks)
        if not moments or not killed(process, out, moments[0]):
            finished(process)
            if moments and not has_work:  # a whole run took less than the one that was watched
                moments[0] = moments[0].earlier()
            return found
        used.append(moments.pop(0))
        say(f"{name}: kill {len(used)}, {used[-1]}", flush=True)
    refused(name, out, ranks)
    return found


def _by_sign(moments):
    return {sign: sorted(moment.after for moment in moments if moment.sign == sign)
            for sign in dict.fromkeys(moment.sign for moment in sorted(moments, key=lambda moment: moment.sign or ""))}


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
            found = kill_often(name, options.kills, Path(folder), seed=options.seed, ranks=options.ranks)
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

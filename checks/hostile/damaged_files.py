"""Unknown and damaged files in every place where a command takes one: each refused in one line, at once, without traces.

    python -m checks.hostile.damaged_files                      200 files, every command, results beside the others
    python -m checks.hostile.damaged_files --files 20 --command error

A case is right where the exit code is 2, stderr holds one line beginning with "Error:" that names the file, less than
five seconds of processor time went by, and neither the working folder nor that of the file has changed.
"""

import argparse
import collections
import contextlib
import io
import json
import os
import tempfile
import time
import traceback
from pathlib import Path

from checks.fuzz.loop import TooLong, limits
from checks.hostile.bad_files import KINDS, make

RESULTS = Path(__file__).parents[1] / "results/damaged_files.json"
SECONDS = 5.0
# Role of the file -> command lines in which {file} takes that role. {digits} is the bundled checkpoint.
PLACES = {
    "checkpoint": [*(f"{name} {{file}}" for name in ("checkpoint", "report", "audit", "error", "hybrid --tau 0.3",
                                                     "memorization", "quality", "membership", "provenance",
                                                     "gradient-variance")),
                   "agreement {digits} {file}", "agreement {file} {digits}", "pairing --from {file}"],
    "rows": [*(f"{name} --dataset {{file}}" for name in ("alignment", "train", "study size", "error {digits}",
                                                         "report {digits}", "gradient-variance {digits}",
                                                         "classifier", "pairing", "canaries")),
             *(f"{name} --samples {{file}} --dataset digits" for name in ("memorization", "audit", "quality")),
             "memorization {digits} --held-out {file}", "canaries --dataset digits --images {file}"],
    "program": ["memorization {digits} --feature torchscript --feature-weights torchscript={file}",
                "memorization {digits} --feature onnx --feature-weights onnx={file}",
                "quality {digits} --feature inception --feature-weights inception={file}",
                "report {digits} --decoder {file}"],
    "card": ["error {digits} --model {file}", "checkpoint {digits} --model {file}"],
    "pairs": ["gradient-variance {digits} --pairs {file}", "pairing --pairs {file}"],
    "run": ["figures {file}", "compare {file}", "compare {file} {file}", "audit {digits} --canaries {file}"],
}


def main():
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--command", help="only commands that begin with this word")
    parser.add_argument("--results", type=Path, help=f"JSON file of the outcome, e.g. {RESULTS.name}")
    options = parser.parse_args()
    outcome = run_all(options.files, options.command)
    for line, found in outcome.items():
        print(f"{found['refused']:4d} of {found['files']} refused, slowest {found['slowest']:.1f} s  {line}", flush=True)
        for failure in found["failures"][:3]:
            print(f"     {failure}")
    if options.results:
        options.results.write_text(json.dumps(outcome, indent=1) + "\n")
    raise SystemExit(any(found["failures"] for found in outcome.values()))


def run_all(n_files, only=None, say=lambda line: None):
    """Return {command line: counts and failures} over `n_files` files for each place."""
    outcome = {}
    for role, lines in PLACES.items():
        for line in lines:
            if only is None or line.split()[0] == only:
                say(line)
                outcome[line] = _over_files(role, line, n_files)
    return outcome


def _over_files(role, line, n_files):
    refused, slowest, failures, kinds = 0, 0.0, [], collections.Counter()
    for number in range(n_files):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder).resolve()
            file = make(role, number, place / "files")
            what, seconds = judge(line, file, place)
        slowest = max(slowest, seconds)
        refused += what is None
        if what is not None:
            kinds[file.name] += 1
            failures.append(f"{file.name} (case {number}): {what}")
    return {"files": n_files, "kinds": len(KINDS[role]), "refused": refused, "slowest": round(slowest, 2),
            "failures": failures}


def judge(line, file, place):
    """Return (what is wrong with how a command line treats a file or None, seconds of processor time)."""
    from fmdiag.checkpoints import bundled_checkpoint
    from fmdiag.cli.main import run

    work = place / "work"
    work.mkdir()
    words = [word.replace("{file}", str(file)).replace("{digits}", str(bundled_checkpoint())) for word in line.split()]
    words += [] if words[0] in ("checkpoint", "figures", "compare", "classifier") else ["--out", str(work / "out")]
    errors, start, before = io.StringIO(), time.process_time(), _listing(place)
    try:
        with (contextlib.chdir(work), contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()),
              limits(SECONDS, 4000)):
            code = run(words)
    except TooLong:
        return "did not end in time", SECONDS
    except BaseException as error:  # what escapes is the finding
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:200]} ({Path(where.filename).name}:{where.lineno})", 0.0
    seconds = time.process_time() - start
    return _wrong(code, errors.getvalue(), file, before, _listing(place)), seconds


def _wrong(code, said, file, before, after):
    lines = [text for text in said.splitlines() if text.strip() and not text.startswith("Warning:")]
    if code != 2:
        return f"exit code {code}: {said[-200:]!r}"
    if len(lines) != 1 or not lines[0].startswith("Error:"):
        return f"not one line: {said[:400]!r}"
    if file.name not in lines[0]:
        return f"does not name the file: {lines[0]!r}"
    return None if before == after else f"left behind: {sorted(after ^ before)[:3]}"


def _listing(folder):
    return {str(path) for path in folder.rglob("*") if not path.is_fifo()} | {str(path) for path in Path(folder).iterdir()}


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    main()

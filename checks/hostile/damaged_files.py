"""Unknown and damaged files in every place where a command takes one: each refused in one line, at once, without traces.

    python -m checks.hostile.damaged_files --results checks/results/damaged_files.json     200 files, every command
    python -m checks.hostile.damaged_files --results checks/results/damaged_files.json --go-on     after an interruption
    python -m checks.hostile.damaged_files --files 20 --command error

A case is right where the exit code is 2, stderr holds one line beginning with "Error:" that names the file, less than
five seconds of processor time went by, and neither the working folder nor that of the file has changed.
"""

import argparse
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
RUN = Path(__file__).parents[2] / "reports/example/figure-1a-two-moons"
SECONDS = 5.0
OWN_OUTPUT = ("checkpoint", "figures", "compare", "classifier")  # commands that write where their file is, or elsewhere
MEASURES = ("report", "audit", "error", "hybrid --tau 0.3", "memorization", "quality", "membership", "provenance",
            "gradient-variance", "theories", "uturn", "symmetry", "geometry", "patches")
# Role of the file -> command lines in which {file} takes that role. {digits} is the bundled checkpoint, {run} a run.
PLACES = {
    "checkpoint": [*(f"{name} {{file}}" for name in (*MEASURES, "checkpoint", "alignment")),
                   "agreement {digits} {file}", "agreement {file} {digits}", "pairing --from {file}"],
    "rows": [*(f"{name} --dataset {{file}}" for name in (
                "alignment", "duplicates", "train", "study size", "study losses", "study time", "classifier", "pairing", "canaries",
                "agreement {digits} {digits}", *(f"{name} {{digits}}" for name in MEASURES))),
             *(f"{name} --samples {{file}} --dataset digits" for name in ("memorization", "audit", "quality")),
             *(f"{name} --held-out {{file}}" for name in ("memorization {digits}", "audit {digits}", "train",
                                                          "study size")),
             "canaries --dataset digits --images {file}"],
    "program": [*(f"{name} {{digits}} --feature {feature} --feature-weights {feature}={{file}}"
                  for name, feature in (("memorization", "torchscript"), ("memorization", "onnx"), ("memorization", "sscd"),
                                        ("memorization", "dinov2"), ("quality", "inception"), ("hybrid --tau 0.3", "onnx"))),
                *(f"{name} {{digits}} --decoder {{file}}" for name in ("report", "hybrid --tau 0.3", "memorization"))],
    "card": [f"{name} {{digits}} --model {{file}}" for name in (*MEASURES, "checkpoint", "alignment",
                                                                "agreement {digits}")],
    "pairs": ["gradient-variance {digits} --pairs {file}", "pairing --pairs {file}"],
    "run": ["figures {file}", "compare {run} {file}", "compare {file} {run}", "audit {digits} --canaries {file}"],
    "training": ["train --resume --out {file}"],
}


def main():
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--command", help="only commands that begin with this word")
    parser.add_argument("--results", type=Path, help=f"JSON file of the outcome, e.g. {RESULTS.name}")
    parser.add_argument("--go-on", action="store_true", help="leave out command lines that the JSON file has already")
    options = parser.parse_args()
    outcome = json.loads(options.results.read_text()) if options.go_on else {}
    for role, line in places(options.command):
        if line in outcome:
            continue
        found = outcome[line] = over_files(role, line, options.files)
        print(f"{found['refused']:4d} of {found['files']} refused, slowest {found['slowest']:.1f} s  {line}", flush=True)
        for failure in found["failures"][:3]:
            print(f"     {failure}", flush=True)
        if options.results:
            options.results.write_text(json.dumps(outcome, indent=1) + "\n")
    raise SystemExit(any(found["failures"] for found in outcome.values()))


def places(only=None):
    """Return (role, command line) of all places, or of those of one command."""
    return [(role, line) for role, lines in PLACES.items() for line in lines if only in (None, line.split()[0])]


def over_files(role, line, n_files):
    """Return counts and failures of one command line over `n_files` files."""
    refused, slowest, failures = 0, 0.0, []
    for number in range(n_files):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder).resolve()
            file = make(role, number, place / "files")
            what, seconds = judge(line, file, place)
        slowest = max(slowest, seconds)
        refused += what is None
        if what is not None:
            failures.append(f"{file.name} (case {number}): {what}")
    return {"files": n_files, "kinds": len(KINDS[role]), "refused": refused, "slowest": round(slowest, 2),
            "failures": failures}


def judge(line, file, place):
    """Return (what is wrong with how a command line treats a file or None, seconds of processor time)."""
    from fmdiag.checkpoints import bundled_checkpoint
    from fmdiag.cli.main import run

    work = place / "work"
    work.mkdir()
    words = [word.format(file=file, digits=bundled_checkpoint(), run=RUN) for word in line.split()]
    words += [] if words[0] in OWN_OUTPUT or "--out" in words else ["--out", str(work / "out")]
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

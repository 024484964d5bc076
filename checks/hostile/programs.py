"""Does any file run code without trust? Program files and sixty containers through every command and reader.

    python -m checks.hostile.programs                 prints a table, writes checks/results/programs.json

Every container is tried without the option: nothing may run, and what is said is one line. The program files are tried
with it too: the warning must name the file, and their code must run, or nothing was shown by the refusal.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import tempfile
import time
import warnings
from pathlib import Path
from unittest import mock

from checks.hostile.containers import write_containers

RESULTS = Path(__file__).parents[1] / "results/programs.json"
COMMANDS = {
    "checkpoint": ["checkpoint", "{file}"], "error": ["error", "{file}", "--n-pairs", "2", "--times", "0.5"],
    "memorization": ["memorization", "--samples", "{file}", "--dataset", "digits", "--n", "40"],
    "data set": ["alignment", "--dataset", "{file}", "--n-pairs", "2"],
    "held out": ["error", "{bundled}", "--held-out", "{file}", "--n-pairs", "2"],
    "decoder": ["hybrid", "{bundled}", "--tau", "0.5", "--decoder", "{file}", "--n-samples", "2"],
    "torchscript": ["memorization", "{bundled}", "--feature", "torchscript", "--feature-weights", "torchscript={file}"],
    "onnx": ["memorization", "{bundled}", "--feature", "onnx", "--feature-weights", "onnx={file}"],
    "sscd": ["memorization", "{bundled}", "--feature", "sscd", "--feature-weights", "sscd={file}"],
    "inception": ["memorization", "{bundled}", "--feature", "inception", "--feature-weights", "inception={file}"],
    "dinov2": ["memorization", "{bundled}", "--feature", "dinov2", "--feature-weights", "dinov2={file}"],
    "called": ["error", "{file}", "--dataset", "gaussian-4-40", "--n-pairs", "2", "--times", "0.5"],
    "pairs": ["gradient-variance", "--pairs", "{file}"], "compare": ["compare", "{file}", "{file}"],
    "figures": ["figures", "{file}"], "canaries": ["canaries", "--images", "{file}"],
    "card": ["checkpoint", "{their}", "--model", "{file}"]}
# What with trust is known to run: the container, and the command by which.
LIVE = {"torchscript": "checkpoint", "torch.export pickle": "checkpoint", "torch.export expression": "checkpoint",
        "torch.export guards": "called", "torch.export library": "checkpoint", "torchscript as safetensors": "checkpoint",
        "torchscript as png": "decoder", "pickle protocol 0": "checkpoint", "pickle protocol 5": "checkpoint",
        "torch new": "checkpoint", "torch old": "checkpoint", "pickle stack global": "checkpoint", "card file": "card",
        "card module": "card"}


def words_of(command, file):
    """Return the words of a command on a file; one that writes gets a place to write to."""
    from fmdiag.checkpoints import bundled_checkpoint

    places = {"file": file, "bundled": bundled_checkpoint(), "their": file.parent / "their.pt"}
    words = [word.format(**places) for word in COMMANDS[command]]
    return words if command in ("checkpoint", "card", "figures") else [*words, "--out", "run"]


def tried(words):
    """Run a command in this process; return (exit code or the error's name, what it said, its warnings)."""
    from fmdiag.cli.main import run

    said = io.StringIO()
    with warnings.catch_warnings(record=True) as heard, contextlib.redirect_stderr(said), \
            contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        try:
            code = run([str(word) for word in words])
        except Exception as error:
            code = type(error).__name__
    shutil.rmtree("run", ignore_errors=True)  # of a command that could use the file as data
    return code, said.getvalue(), [str(one.message) for one in heard]


def one_container(path, is_card, marker, commands):
    """Return what a container did without trust: {command: exit code}, and what ran or was no single line."""
    codes, wrong = {}, []
    for command in [c for c in commands if (c == "card") == is_card]:
        code, said, _ = tried(words_of(command, path))
        codes[command] = code
        if marker.exists():
            wrong.append(f"{command}: ran its code")
            marker.unlink()
        errors = [line for line in said.splitlines() if line.startswith("Error")]
        if code not in (0, 2) or (code == 2 and len(errors) != 1):
            wrong.append(f"{command}: {code}, {said[:200]!r}")
    return codes, wrong


def with_trust(name, path, marker):
    """Return whether the code of a container ran with trust, and what was wrong about how that was said."""
    code, said, heard = tried([*words_of(LIVE[name], path), "--trust-code"])
    ran = marker.exists()
    marker.unlink(missing_ok=True)
    named = any(str(path) in text and "runs the code" in text for text in (*heard, said))
    return ran, ([] if named else ["no warning names the file"]) + ([] if ran else ["its code did not run"])


def check(folder, commands=tuple(COMMANDS), only=None, wanted_trust=True):
    """Return one row per container: name, codes, whether it ran with trust, what was wrong."""
    os.environ["XDG_CONFIG_HOME"] = str(folder / "configuration")  # no consent is remembered, nor kept
    marker, place, work = folder / "marker", folder / "files", folder / "work"
    place.mkdir()
    work.mkdir()
    rows = []
    with contextlib.chdir(work), mock.patch("fmdiag.figures.draw_all", lambda path: []):  # figures read our own tables
        for name, path, is_card in [*write_containers(place, marker)]:
            if only is not None and name not in only:
                continue
            assert not marker.exists(), f"{name}: making it ran its code"
            codes, wrong = one_container(path, is_card, marker, commands)
            live, more = with_trust(name, path, marker) if wanted_trust and name in LIVE else (None, [])
            rows.append({"container": name, "file": path.name, "commands": codes, "ran_with_trust": live,
                         "wrong": [*wrong, *more]})
    return rows


def main():
    """Try all, print a table, write the results; exit code 1 if anything was wrong."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fmdiag-programs-") as folder:
        rows = check(Path(folder))
    for row in rows:
        live = "runs with --trust-code" if row["ran_with_trust"] else ""
        said = "; ".join(row["wrong"]) or "nothing ran without trust"
        print(f"{row['container']:<28} {len(row['commands']):>2} commands  {said}  {live}")
    wrong = sum(bool(row["wrong"]) for row in rows)
    tries = sum(len(row["commands"]) for row in rows)
    print(f"{len(rows)} containers, {tries} commands, {wrong} containers wrong, {time.monotonic() - start:.0f} s")
    import torch

    RESULTS.write_text(json.dumps({"containers": len(rows), "commands": tries, "wrong": wrong,
                                   "torch": torch.__version__, "rows": rows}, indent=1) + "\n")
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()

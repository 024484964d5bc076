"""`fmdiag watch` as a command: what it prints, its exit codes, and a watch that was killed in the middle."""

import json
import signal
import subprocess
import sys

import pandas as pd
import pytest

from fmdiag.cli.main import run
from fmdiag.monitoring.looked import Looked

QUICK = ["--measure", "f_mem", "--measure", "gap", "--n-pairs", "8", "--n-samples", "0", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path, save, monkeypatch):
    monkeypatch.setattr("fmdiag.monitoring.kept._draw", lambda staged: None)
    (tmp_path / "run").mkdir()
    for step in (10, 20, 30):
        save(tmp_path / "run" / f"c-{step}.pt", step)
    return tmp_path / "run"


def watched(folder, out, *more):
    return run(["watch", str(folder), *QUICK, "--out", str(out), *more])


def test_help_says_what_is_watched_and_how_often_it_is_wrong(capsys):
    assert run(["watch", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in ("False alarms stay below 5 % however many checkpoints come", "goes on where it was stopped",
                  "fmdiag watch runs/mine/checkpoints --follow --idle 3600", "tau_gen and tau_mem", "--until STEP"):
        assert words in text


def test_json_alone_is_on_stdout_and_progress_on_stderr(folder, tmp_path, capsys):
    (folder / "c-25.pt").write_bytes(b"not mine")
    with pytest.warns(UserWarning, match="skipped"):
        assert watched(folder, tmp_path / "out", "--json") == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["watch"] == str(tmp_path / "out") and found["verdict"]["answer"] == "undecided"
    steps = {row["step"] for row in found["details"]["summary"] if row["quantity"] == "f_mem"}
    assert steps == {10, 20, 30} and found["details"]["skipped"][0].startswith("c-25.pt: ")
    assert {"tau_mem", "tau_gap"} <= {row["quantity"] for row in found["details"]["summary"]}
    assert [line.split(":")[0] for line in err.splitlines() if line.startswith("step")] == [
        f"step {step} (c-{step}.pt)" for step in (10, 20, 30)]


@pytest.mark.parametrize("name, more, words", [
    ("run", ["--n-samples", "0"], "holds no checkpoint: give the folder that a training run writes them to"),
    ("nowhere", [], "does not exist: give the folder"), ("run", ["--until", "3"], "give --follow too"),
    ("run", ["--measure", "fmem"], "unknown measure 'fmem'")])
def test_wrong_input_is_one_line_and_leaves_nothing(tmp_path, capsys, name, more, words):
    (tmp_path / "run").mkdir()
    assert watched(tmp_path / name, tmp_path / "out", *more) == 2
    out, err = capsys.readouterr()
    assert not out and words in err and len(err.splitlines()) == 1 and not (tmp_path / "out").exists()


KILLED = """
import os, signal, sys
from fmdiag.cli.main import run
from fmdiag.monitoring.looked import Looked
look = Looked._looked

def dies(self, path, *others):
    if path.name == "c-20.pt":
        os.kill(os.getpid(), signal.SIGKILL)
    return look(self, path, *others)

Looked._looked = dies
sys.exit(run(sys.argv[1:]))
"""


def test_killed_in_the_middle_it_goes_on(folder, tmp_path, monkeypatch):
    """SIGKILL at the second look: the first is not made again, and the table is that of a watch left alone."""
    killed, alone, made = tmp_path / "killed", tmp_path / "alone", []
    process = subprocess.run([sys.executable, "-c", KILLED, "watch", str(folder), *QUICK, "--out", str(killed)],
                             capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL and process.stderr == "step 10 (c-10.pt): f_mem 0\n"
    parts = {path: path.stat().st_mtime_ns for path in (killed / "parts").glob("*/part.json")}
    assert len(parts) == 1 and not (killed / "tables").exists()
    monkeypatch.setattr(Looked, "_looked", counting(Looked._looked, made))
    assert watched(folder, killed) == 0 and made == ["c-20.pt", "c-30.pt"]
    assert all(path.stat().st_mtime_ns == before for path, before in parts.items())
    assert watched(folder, alone) == 0 and len(made) == 5
    tables = [pd.read_parquet(out / "tables" / "watch.parquet").drop(columns="seconds") for out in (killed, alone)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def counting(looked, made):
    def counted(self, path, *others):
        made.append(path.name)
        return looked(self, path, *others)

    return counted


def test_a_dry_run_counts_looks_that_are_missing_and_writes_nothing(folder, tmp_path, capsys):
    """The f_mem of a look carries 8 samples over 20 steps; a checkpoint that was looked at is not counted again."""
    out = tmp_path / "out"
    assert watched(folder, out, "--dry-run", "--json") == 0 and not out.exists()
    before = json.loads(capsys.readouterr().out)
    assert before["subject"].startswith("3 checkpoints, 3 to be looked at; the first: c-10.pt on digits")
    rows = {line["name"]: line["rows"] for line in before["lines"]}
    assert rows == {"gap": 3 * 2 * 8 * 3, "f_mem": 3 * 8 * 20} and before["seconds"] > 0
    (folder / "c-30.pt").rename(tmp_path / "c-30.pt")
    assert watched(folder, out) == 0
    (tmp_path / "c-30.pt").rename(folder / "c-30.pt")
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert watched(folder, out, "--dry-run") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].startswith("3 checkpoints, 1 to be looked at") and len(printed) <= 15
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == files

"""`fmdiag train` and `fmdiag checkpoint` from the command line, kills and full disks included."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from fmdiag.checkpoints import load_checkpoint
from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError, FmdiagWarning

SMALL = ["--dataset", "digits", "--n", "12", "--network", "mlp", "--width", "16", "--depth", "1", "--batch-size", "8",
         "--precision", "fp32"]


def start(*arguments):
    """Start `fmdiag train` as a process of its own, on one thread: the number of threads decides the last bits."""
    return subprocess.Popen([sys.executable, "-m", "fmdiag.cli.main", "train", *map(str, arguments)],
                            env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def kill_when(process, condition, number=signal.SIGKILL):
    deadline = time.monotonic() + 120
    while not condition() and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    os.kill(process.pid, number)
    _, process.errors = process.communicate()


def content(folder, name="state.pt"):
    return torch.load(folder / name, weights_only=True)


def steps_of(folder):
    return content(folder)["step"] if (folder / "state.pt").is_file() else -1


@pytest.mark.slow
def test_interrupted_run_says_how_to_continue(tmp_path):
    process = start(*SMALL, "--steps", 100_000, "--save-seconds", 0, "--out", tmp_path / "run")
    kill_when(process, lambda: steps_of(tmp_path / "run") > 20, signal.SIGINT)
    assert process.returncode == 130
    assert f"continue with: fmdiag train --resume --out {tmp_path / 'run'}" in process.errors
    assert "Traceback" not in process.errors and load_checkpoint(tmp_path / "run" / "checkpoint.pt")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train") / "run"
    assert run(["train", *SMALL, "--steps", "20", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def test_folder_holds_checkpoint_losses_and_record(trained):
    checkpoint = load_checkpoint(trained / "checkpoint.pt")
    assert checkpoint.description["steps"] == 20 and checkpoint.training_set().n == 12
    assert pd.read_parquet(trained / "tables" / "loss.parquet")["step"].tolist() == [10, 20]
    record = json.loads((trained / "run.json").read_text())
    assert record["name"] == "train" and record["steps"] == 20
    assert record["checkpoint"]["sha256"] == checkpoint.sha256
    assert record["dataset"]["source"] == "digits" and record["dataset"]["subset_n"] == 12


def test_resume_extends_a_run(folder):
    assert run(["train", "--resume", "--steps", "30", "--width", "16", "--seed", "0", "--out", str(folder)]) == 0
    assert load_checkpoint(folder / "checkpoint.pt").description["steps"] == 30


def test_resume_clears_what_a_killed_save_left(folder):
    (folder / ".state.pt.abc.partial").write_bytes(b"half a state")
    assert run(["train", "--resume", "--out", str(folder)]) == 0
    assert not list(folder.glob(".*.partial"))


def test_data_are_found_again_from_the_folder_in_which_they_were_named(tmp_path, monkeypatch):
    np.save(tmp_path / "points.npy", np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32))
    monkeypatch.chdir(tmp_path)
    options = ["--network", "mlp", "--width", "8", "--depth", "1", "--steps", "1", "--precision", "fp32"]
    assert run(["train", "--dataset", "points.npy", "--held-out", "0.25", *options, "--out", "run"]) == 0
    training_set = load_checkpoint(tmp_path / "run" / "checkpoint.pt").training_set()
    assert training_set.n == 15 and training_set.held_out.n == 5
    monkeypatch.chdir("/")
    checkpoint = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    with pytest.raises(FmdiagError, match="give --dataset"):
        checkpoint.training_set()
    assert checkpoint.training_set(tmp_path / "points.npy").n == 15


@pytest.mark.parametrize("options, message", [
    (["--resume", "--lr", "0.1"], "another lr: the run has 0.0002, got 0.1"),
    (["--resume", "--steps", "10"], "taken 20 steps, more than the 10"),
    (["--resume", "--width", "32"], "another width: the run has 16, got 32"),
    (["--resume", "--network", "unet2d"], "another network: the run has mlp, got unet2d"),
    (["--resume", "--path", "cosine"], "another path"),
    (["--resume", "--n", "7"], "other data"),
    (["--dataset", "digits"], "not empty: continue it with --resume"),
])
def test_a_finished_folder_is_not_spoilt(folder, capsys, options, message):
    before = (folder / "state.pt").read_bytes()
    assert run(["train", *options, "--out", str(folder)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("Error: ") and message in error
    assert (folder / "state.pt").read_bytes() == before


@pytest.mark.parametrize("options, message", [
    (["--dataset", "digitz"], "did you mean 'digits'"),
    (["--loss", "cmf"], "did you mean 'cfm'"),
    (["--dataset", "two-moons", "--network", "unet2d"], "use mlp"),
    (["--network", "mlp", "--dropout", "0.1"], "dropout, channels and attention are for unet2d"),
    (["--lr", "-1"], "lr must be positive"),
    (["--ema-decay", "1"], "ema_decay"),
    (["--resume"], "no run to resume"),
    (["--n", "100000"], "subset"),
])
def test_wrong_input_gives_one_line_and_no_folder(tmp_path, capsys, options, message):
    assert run(["train", *options, "--out", str(tmp_path / "run")]) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_damaged_state_is_refused(folder, capsys):
    state = (folder / "state.pt").read_bytes()
    (folder / "state.pt").write_bytes(state[: len(state) // 2])
    assert run(["train", "--resume", "--out", str(folder)]) == 2
    assert "truncated" in capsys.readouterr().err


def test_full_disk_keeps_the_earlier_checkpoint(folder, capsys):
    before = {name: (folder / name).read_bytes() for name in ("state.pt", "checkpoint.pt")}
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        assert run(["train", "--resume", "--steps", "30", "--out", str(folder)]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert "state.pt: File too large" in capsys.readouterr().err
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert not list(folder.glob(".*.partial"))


def test_a_place_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(["train", *SMALL, "--steps", "1", "--out", str(tmp_path / "file" / "run")]) == 2
    errors = capsys.readouterr().err
    assert str(tmp_path / "file") in errors and "Traceback" not in errors


def test_divergence_names_the_kept_state(tmp_path, capsys):
    assert run(["train", *SMALL, "--steps", "50", "--lr", "1e30", "--out", str(tmp_path / "run")]) == 2
    assert "diverged" in capsys.readouterr().err
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt").description["steps"] == 0


def test_checkpoint_command_prints_what_was_inferred(trained, capsys):
    assert run(["checkpoint", str(trained / "checkpoint.pt")]) == 0
    shown = capsys.readouterr().out
    known = load_checkpoint(trained / "checkpoint.pt").description
    facts = ["native", "ema", "mlp (", "linear", "digits train, n = 12", known["dataset"]["fingerprint"], "cfm"]
    for expected in facts:
        assert expected in shown
    assert run(["checkpoint", "--json", "--no-ema", str(trained / "checkpoint.pt")]) == 0
    machine = json.loads(capsys.readouterr().out)
    assert machine["weights"] == "raw" and machine["dataset"]["n"] == 12


def test_compact_copy_holds_averaged_weights_in_half_precision(trained, tmp_path):
    assert run(["checkpoint", str(trained / "checkpoint.pt"), "--compact", str(tmp_path / "small.pt")]) == 0
    held = content(tmp_path, "small.pt")
    assert "weights" not in held and {weight.dtype for weight in held["ema"].values()} == {torch.float16}
    assert load_checkpoint(tmp_path / "small.pt").training_set().n == 12


def test_checkpoint_command_refuses_what_is_none(tmp_path, capsys):
    (tmp_path / "ckpt.pt").write_text("hello")
    assert run(["checkpoint", str(tmp_path / "ckpt.pt")]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("Error: ") and errors.count("\n") == 1


@pytest.mark.parametrize("name", ["train", "checkpoint"])
def test_help_has_an_example(capsys, name):
    assert run([name, "--help"]) == 0
    assert f"fmdiag {name} " in capsys.readouterr().out.split("Examples:")[1]


def test_fault_2_5_training_without_held_out_rows_is_said_at_once_and_later_advice_works(tmp_path, monkeypatch, capsys):
    """The warning comes before the training; a fraction held out too late is refused with two ways that work."""
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    np.save("points.npy", rows[:40])
    np.save("others.npy", rows[40:])
    tiny = ["--network", "mlp", "--width", "4", "--depth", "1", "--steps", "2", "--batch-size", "4"]
    with pytest.warns(FmdiagWarning, match="no rows are held out.*--held-out 0.1.*--held-out PATH"):
        assert run(["train", "--dataset", "points.npy", *tiny, "--out", "all"]) == 0
    capsys.readouterr()
    checked = ["memorization", "all/checkpoint.pt", "--n-samples", "20", "--n-steps", "2"]
    assert run([*checked, "--held-out", "0.25", "--out", "no"]) == 2
    error = capsys.readouterr().err
    assert "was trained on all of them" in error and "--held-out PATH" in error and "train again" in error
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "only 20 held-out")
        assert run([*checked, "--held-out", "others.npy", "--out", "yes"]) == 0
    assert run(["train", "--dataset", "points.npy", "--held-out", "0.25", *tiny, "--out", "again"]) == 0

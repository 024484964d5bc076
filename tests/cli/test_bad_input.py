"""Bad input: one line that says what, where and what to do, exit code 2, no traceback, nothing written."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fmdiag.cli.main import run

SMALL = ["--n-pairs", "4", "--times", "0.2,0.6"]
MEASURING = [["error"], ["hybrid", "--tau", "0.3"], ["memorization"], ["report"], ["alignment"], ["checkpoint"]]


class RunsCode:
    """Pickled as a call of os.system."""

    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.fixture
def bad_checkpoints(tmp_path, checkpoint):
    """Return {name: file} of checkpoints that must be refused."""
    files = {name: tmp_path / f"{name}.pt" for name in ("truncated", "pickle", "torch_pickle", "nan", "text", "empty")}
    files["truncated"].write_bytes(checkpoint.read_bytes()[:2000])
    files["pickle"].write_bytes(pickle.dumps(RunsCode()))
    torch.save({"format": "fmdiag-checkpoint", "weights": RunsCode()}, files["torch_pickle"])
    content = torch.load(checkpoint, weights_only=True)
    next(iter(content["ema"].values())).view(-1)[0] = torch.nan
    torch.save(content, files["nan"])
    files["text"].write_text("not a checkpoint")
    files["empty"].touch()
    return {**files, "missing": tmp_path / "missing.pt", "folder": tmp_path}


@pytest.mark.parametrize("command", MEASURING, ids=lambda command: command[0])
@pytest.mark.parametrize(("name", "what", "remedy"), [
    ("missing", "no such checkpoint file", "check the path"),
    ("truncated", "truncated", "copy it again"),
    ("pickle", "asks to run code on loading (posix.system)", "state_dict"),
    ("torch_pickle", "asks to run code on loading (posix.system)", "state_dict"),
    ("nan", "NaN", "earlier checkpoint"),
    ("text", "not a torch checkpoint", "torch.save"),
    ("empty", "is empty", "again"),
    ("folder", "is a folder", "give the checkpoint file"),
])
def test_checkpoints_that_cannot_be_used(bad_checkpoints, fails_cleanly, command, name, what, remedy):
    fails_cleanly([*command, bad_checkpoints[name]], bad_checkpoints[name], what, remedy)
    assert not os.path.exists("ran")


def test_data_that_the_checkpoint_was_not_trained_on(checkpoint, fails_cleanly):
    fails_cleanly(["error", checkpoint, *SMALL, "--dataset", "two-moons"], "(1, 8, 8)", "(2,)", "--dataset")
    fails_cleanly(["error", checkpoint, *SMALL, "--n", "41"], "n = 40", "n = 41", "fingerprint", "--allow-mismatch")


def test_a_mismatch_is_measured_where_it_is_allowed(checkpoint, tmp_path, capsys):
    assert run(["error", str(checkpoint), *SMALL, "--n", "41", "--allow-mismatch", "--out", str(tmp_path / "r")]) == 0
    capsys.readouterr()
    # Rows of another shape cannot be given to the network whatever is allowed.
    assert run(["error", str(checkpoint), *SMALL, "--dataset", "two-moons", "--allow-mismatch"]) == 2
    assert "(2,)" in capsys.readouterr().err


@pytest.fixture
def pictures(tmp_path):
    """Return a folder of four good pictures and a corrupt one."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for k in range(4):
        values = np.random.default_rng(k).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{k}.png")
    (folder / "torn.png").write_bytes((folder / "0.png").read_bytes()[:60])
    return folder


def test_a_corrupt_picture_is_named(pictures, fails_cleanly, tmp_path):
    fails_cleanly(["alignment", "--dataset", pictures, *SMALL, "--data-root", tmp_path / "root"], "torn.png",
                  "--skip-bad")


def test_a_corrupt_picture_is_skipped_on_request(pictures, tmp_path):
    for k in range(7):
        (pictures / f"torn-{k}.png").write_bytes(b"not a picture")
    out = tmp_path / "run"
    with pytest.warns(UserWarning) as warned:
        assert run(["alignment", "--dataset", str(pictures), *SMALL, "--skip-bad", "--out", str(out), "--data-root",
                    str(tmp_path / "root")]) == 0
    text, = (str(one.message) for one in warned)
    assert "torn-0.png" in text and "left out 8 unreadable" in text and "and 3 more" in text
    listed = [line.split(",")[1] for line in (out / "skipped.csv").read_text().splitlines()]
    assert [Path(name).name for name in listed] == ["picture", *(f"torn-{k}.png" for k in range(7)), "torn.png"]
    skipped = json.loads((out / "run.json").read_text())["skipped"]
    assert [(one["n"], one["listed_in"]) for one in skipped] == [(8, "skipped.csv")]


def test_empty_and_unknown_sources(tmp_path, fails_cleanly):
    (tmp_path / "none").mkdir()
    fails_cleanly(["alignment", "--dataset", tmp_path / "none"], tmp_path / "none", "empty")
    fails_cleanly(["alignment", "--dataset", tmp_path / "gone"], tmp_path / "gone", "no such file or folder")
    fails_cleanly(["alignment", "--dataset", "digts"], "unknown data set 'digts'", "did you mean 'digits'?")
    fails_cleanly(["memorization", "--samples", tmp_path / "none", "--dataset", "digits"], tmp_path / "none")


@pytest.mark.parametrize("tau", ["1.5", "-0.1", "nan", "inf", "1:0:0", "0:1:-3", "0:1:1000000000", "0:2:3", "", "x",
                                 "0:1", "0.1,", "0:1:2.5"])
def test_tau_outside_the_unit_interval(checkpoint, fails_cleanly, tau):
    fails_cleanly(["hybrid", "--tau", tau, checkpoint], "--tau", repr(tau), "fmdiag hybrid --help")


@pytest.mark.parametrize("times", ["1", "0:1:11", "nan", "2", ""])
def test_times_at_which_the_minimiser_is_singular(fails_cleanly, times):
    fails_cleanly(["alignment", "--times", times], "[0, 1" if times else "--times")


@pytest.mark.drawn
@pytest.mark.parametrize(("arguments", "parts"), [
    (["alignmnt"], ["no command 'alignmnt'", "did you mean 'alignment'?", "fmdiag --help"]),
    (["alignment", "--n-pair", "4"], ["--n-pair", "--n-pairs", "fmdiag alignment --help"]),
    (["alignment", "--n-pairs", "x"], ["--n-pairs", "'x'"]),
    (["alignment", "--n-pairs", "1"], ["--n-pairs", "x>=2"]),
    (["alignment", "--n", "0"], ["--n"]),
    (["alignment", "--n", "1501"], ["1501", "1500"]),
    (["alignment", "--seed", "99999999999999999999"], ["--seed"]),
    (["alignment", "--memory", "lots"], ["--memory", "'lots'", "500MB"]),
    (["alignment", "--device", "gpu"], ["--device gpu", "no such device", "auto"]),
    (["alignment", "--device", "meta"], ["--device meta", "not usable on this machine"]),
    (["alignment", "--sizes", "4,x"], ["--sizes", "8,16,32"]),
    (["alignment", "--sizes", "9"], ["digits", "between 1 and 8"]),
    (["alignment", "--split", "val"], ["--split", "'train', 'test'"]),
    (["alignment", "--value-range", "1,0"], ["--value-range", "'1,0'", "LOW must be less than HIGH"]),
    (["alignment", "--value-range", "7"], ["--value-range", "'7'", "0,255"]),
    (["alignment", "--held-out", "1.5"], ["1.5"]),
    (["error"], ["Missing argument 'CHECKPOINT'", "fmdiag error --help"]),
    (["error", "a", "b"], ["unexpected extra argument", "b"]),
    (["hybrid", "--method", "heun", "x.pt"], ["--method", "'heun'", "'heun2'"]),
    (["memorization"], ["give a CHECKPOINT, or --samples"]),
    (["figures", "nowhere"], ["nowhere", "not a run folder"]),
    (["train", "--loss", "cmf"], ["'cmf'", "cfm"]),
    (["train", "--dataset", "digts"], ["did you mean 'digits'?"]),
    (["train", "--resume", "--out", "none"], ["no run to resume"]),
], ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_unknown_names_and_values(fails_cleanly, arguments, parts):
    fails_cleanly(arguments, *parts)


def test_a_feature_that_nobody_registered(checkpoint, fails_cleanly):
    fails_cleanly(["memorization", "--feature", "pixel", checkpoint], "unknown feature 'pixel'", "'pixels'")


@pytest.mark.parametrize("command", ["audit", "memorization", "report", "membership", "quality"])
def test_one_held_out_row(checkpoint, tmp_path, fails_cleanly, command):
    """No null of one row has an interval; metrics compare seven."""
    np.save(tmp_path / "one.npy", np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 1, 8, 8))
    said = {"quality": "at least 7"}
    fails_cleanly([command, checkpoint, "--held-out", tmp_path / "one.npy"],
                  said.get(command, "only 1 held-out example,"))


@pytest.mark.parametrize("command", ["audit", "membership"])
def test_no_held_out_rows(checkpoint, tmp_path, fails_cleanly, command):
    """A set without a test part, on which a model was trained."""
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).uniform(-1, 1, (9, 1, 8, 8)).astype(np.float32))
    arguments = [command, checkpoint, "--dataset", tmp_path / "rows.npy", "--allow-mismatch"]
    fails_cleanly(arguments, "no held-out examples", "--held-out")
    if command == "audit":
        fails_cleanly(["audit", "--samples", tmp_path / "rows.npy", "--dataset", tmp_path / "rows.npy"],
                      "rows.npy has no held-out examples", "at least 2", "72 by 5%", "--held-out")


def test_figures_of_a_run_without_tables_are_refused(tmp_path, capsys):
    (tmp_path / "run.json").write_text('{"fmdiag": "0.1.0", "name": "error", "diagnostics": {"error": {}}}')
    assert run(["figures", str(tmp_path)]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"Error: {tmp_path} holds nothing that is drawn") and errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]

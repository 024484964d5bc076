"""What is published says neither who made it nor where: names of files, and paths only below the working folder."""

import json

import numpy as np
import pytest
import torch

from fmdiag.cli.main import run
from fmdiag.files.destination import slug
from fmdiag.files.places import shown_path, without_places

TRAIN = ["--network", "mlp", "--width", "8", "--depth", "1", "--batch-size", "8"]


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Return folders of a user's: data outside the working folder, and the working folder."""
    home = tmp_path / "home of jane doe"
    data, work = home / "secret" / "data", home / "work"
    data.mkdir(parents=True)
    work.mkdir()
    rng = np.random.default_rng(0)
    for name, n in (("train", 120), ("test", 100), ("samples", 80)):
        np.save(data / f"{name}.npy", rng.uniform(-1, 1, (n, 1, 4, 4)).astype(np.float32))
    monkeypatch.chdir(work)
    return data, work


def check(folder):
    """Raise AssertionError where a file of a folder names the user's places; pickles of states keep them."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "state.pt"]
    assert len(files) > 3
    for path in files:
        content = path.read_bytes()
        for word in (b"jane", b"secret"):
            assert word not in content, (path, content[max(0, content.index(word) - 200):][:400])


@pytest.mark.drawn
def test_fault_2_16_no_file_of_a_run_shows_where_it_was_made(places):
    data, work = places
    words = ["--dataset", data / "train.npy", "--held-out", data / "test.npy"]
    for command in (
            ["train", *words, *TRAIN, "--steps", "10", "--precision", "fp32", "--out", work / "model"],
            ["memorization", "--samples", data / "samples.npy", *words, "--out", work / "mem"],
            ["error", work / "model" / "checkpoint.pt", *words, "--n-pairs", "4", "--times", "0.2", "--out", "error"],
            ["error", "model/checkpoint.pt", *words, "--n-pairs", "4", "--times", "0.2", f"--out={work / 'error-2'}"],
            ["compare", work / "error", "error-2", "--out", "compared"]):
        assert run(list(map(str, command))) == 0
    for name in ("model", "mem", "error", "error-2", "compared"):
        check(work / name)
    record = json.loads((work / "error" / "run.json").read_text())
    assert record["dataset"]["name"] == "train.npy" and record["checkpoint"]["file"] == "model/checkpoint.pt"
    assert record["command"].startswith("fmdiag error model/checkpoint.pt --dataset train.npy --held-out test.npy")
    assert json.loads((work / "error-2" / "run.json").read_text())["command"].endswith("--out=error-2")


def test_fault_2_16_a_checkpoint_still_finds_its_data_and_a_state_goes_on_from_anywhere(places, monkeypatch, capsys,
                                                                                       tmp_path):
    data, work = places
    (work / "sets").mkdir()
    (data / "train.npy").rename(work / "sets" / "train.npy")
    options = [*TRAIN, "--steps", "10", "--precision", "fp32"]
    assert run(["train", "--dataset", str(work / "sets" / "train.npy"), "--held-out", str(data / "test.npy"), *options,
                "--out", "model"]) == 0
    assert f"--held-out '{data / 'test.npy'}'" in capsys.readouterr().err.splitlines()[-1]
    recorded = torch.load(work / "model" / "checkpoint.pt", weights_only=True)["dataset"]
    assert (recorded["source"], recorded["held_out"]) == ("sets/train.npy", "test.npy")
    measured = ["error", "model/checkpoint.pt", "--n-pairs", "4", "--times", "0.2"]
    assert run(measured) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "test.npy, which is not in the working folder: give --held-out PATH" in said
    assert run([*measured, "--held-out", str(data / "test.npy")]) == 0
    monkeypatch.chdir(tmp_path)
    assert run(["train", "--resume", "--out", str(work / "model"), "--steps", "20"]) == 0


@pytest.mark.drawn
def test_fault_2_16_a_study_goes_on_from_another_folder(places, monkeypatch):
    data, work = places
    words = ["study", "size", "--dataset", str(data / "train.npy"), "--held-out", str(data / "test.npy"), *TRAIN,
             "--sizes", "10", "--seeds", "1", "--steps", "4", "--feature", "pixels", "--n-samples", "20",
             "--n-nearest", "10", "--n-steps", "2", "--n-pairs", "4", "--out", str(work / "study")]
    assert run(words) == 0
    check(work / "study")
    monkeypatch.chdir(data)
    assert run([*words, "--gather"]) == 0


@pytest.mark.parametrize(("name", "folder"), [
    ("half turn + 5", "half-turn-5"), ("digits", "digits"), ("a/b c", "a-b-c"), ("", "data"), ("..", "data"),
    ("数据", "数据"), ("x" * 300, "x" * 80), ("n\udcffm", "n-m"), ("-rf", "rf"), (".hidden", "hidden")])
def test_fault_2_16_names_of_data_become_names_of_folders(name, folder):
    assert slug(name) == folder


def test_fault_2_16_default_folders_of_pairs_have_plain_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["pairing", "--crossing", "2", "--n-pairs", "20", "--steps", "2", "--width", "8", "--depth", "1",
                "--sigmas", "0", "--n-steps", "3"]) == 0
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["pairing-half-turn-5"]


def test_places_are_shown_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "a" / "b.pt") == shown_path("a/b.pt") == "a/b.pt"
    assert shown_path("../x/y.npy") == shown_path("/data/y.npy") == shown_path("~/y.npy") == "y.npy"
    content = {"command": f"fmdiag error {tmp_path}/a.pt", "file": "/data/x.npy", "text": "in /data/x.npy: 1/3 of 2",
               "list": ["1/3", 2, None]}
    assert without_places(content, ["/data/x.npy"]) == {
        "command": "fmdiag error a.pt", "file": "x.npy", "text": "in x.npy: 1/3 of 2", "list": ["1/3", 2, None]}

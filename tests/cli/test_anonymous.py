"""--anonymous: what is written and printed names files alone; by default paths below the working folder are shown."""

import json

import numpy as np
import pytest

from fmdiag.cli.main import run

SAMPLES = ["memorization", "--dataset", "inside/rows.npy", "--value-range", "0,1", "--samples"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    rows = np.random.default_rng(0).random((40, 3), np.float32)
    for folder in ("work/inside", "janedoe"):
        (tmp_path / folder).mkdir(parents=True)
    np.save(tmp_path / "work/inside/rows.npy", rows)
    np.save(tmp_path / "janedoe/drawn.npy", rows[:8] + 0.01)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("getpass.getuser", lambda: "janedoe")
    monkeypatch.setattr("socket.gethostname", lambda: "secrethost")
    return tmp_path


def texts(folder):
    """Return the texts of a run folder, the page among them, by file name; the marker lists hashes alone."""
    return {file.name: file.read_text(errors="ignore") for file in folder.rglob("*")
            if file.suffix in (".json", ".csv", ".html", ".svg")}


@pytest.mark.drawn
@pytest.mark.parametrize("further", [[], ["--json"]])
def test_nothing_says_who_or_where(place, capfd, further):
    words = [*SAMPLES, str(place / "janedoe/drawn.npy"), "--held-out", "0.5", "--seed", "1", "--out", "inside/mine"]
    assert run([*words, "--anonymous", *further]) == 0
    out, err = capfd.readouterr()
    found = texts(place / "work/inside/mine") | {"stdout": out, "stderr": err}
    for name, text in found.items():
        for word in ("janedoe", "secrethost", "inside/", str(place)):
            assert word not in text, (name, word, text[max(0, text.find(word) - 80):][:200])
    command = json.loads(found["run.json"])["command"]
    assert "--dataset rows.npy" in command and "--samples drawn.npy" in command


def test_by_default_only_places_outside_the_working_folder_are_names(place, capfd, undrawn):
    assert run([*SAMPLES, str(place / "janedoe/drawn.npy"), "--held-out", "0.5", "--out", "inside/mine"]) == 0
    command = json.loads((place / "work/inside/mine/run.json").read_text())["command"]
    assert "--dataset inside/rows.npy" in command and "--samples drawn.npy" in command
    assert str(place) not in "".join(texts(place / "work/inside/mine").values())

"""--anonymous: what is written and printed names files alone; by default paths below the working folder are shown."""

import json
import warnings

import numpy as np
import pytest

from fmdiag.cli.main import run
from fmdiag.errors import FmdiagWarning

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


def silent(found, place):
    """Assert that no text says who or where."""
    for name, text in found.items():
        for word in ("janedoe", "secrethost", "inside/", str(place)):
            assert word not in text, (name, word, text[max(0, text.find(word) - 80):][:200])


@pytest.mark.drawn
@pytest.mark.parametrize("further", [[], ["--json"]])
def test_nothing_says_who_or_where(place, capfd, further):
    words = [*SAMPLES, str(place / "janedoe/drawn.npy"), "--held-out", "0.5", "--seed", "1", "--out", "inside/mine"]
    assert run([*words, "--anonymous", *further]) == 0
    out, err = capfd.readouterr()
    found = texts(place / "work/inside/mine") | {"stdout": out, "stderr": err}
    silent(found, place)
    command = json.loads(found["run.json"])["command"]
    assert "--dataset rows.npy" in command and "--samples drawn.npy" in command


SMALL = ["--network", "mlp", "--width", "8", "--depth", "1", "--batch-size", "4"]
FEW = ["--n-samples", "8", "--n-pairs", "4", "--n-steps", "2", "--device", "cpu"]
ERROR = ["error", "inside/train/checkpoint.pt", "--n-pairs", "4", "--times", "0.5", "--held-out", "0.3"]
COMMANDS = {
    "train": ["train", *SMALL, "--steps", "2", "--held-out", "0.3", "--precision", "fp32"],
    "watch": ["watch", "inside/train", "--held-out", "0.3", "--measure", "f_mem", "--n-pairs", "8", "--n-samples", "0"],
    "canaries": ["canaries", "--n", "16", "--each", "2", "--held-out", "0.3"],
    "study": ["study", "size", *SMALL, *FEW, "--steps", "2", "--evaluations", "1", "--sizes", "4,8", "--seeds", "1",
              "--n-nearest", "8", "--held-out", "0.3"],
    "error": ERROR, "other": [*ERROR, "--seed", "1"]}


def test_no_command_says_who_or_where(place, capfd, monkeypatch):
    """The folder of data is the user's; watch and error read what train wrote, a file that is skipped is none."""
    monkeypatch.setattr("fmdiag.monitoring.kept._draw", lambda staged: None)
    monkeypatch.setattr("fmdiag.studies.study._draw", lambda staged: None)
    rows = place / "janedoe/rows.npy"
    (place / "work/inside/rows.npy").rename(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FmdiagWarning)
        for out, words in COMMANDS.items():
            if out == "watch":
                (place / "work/inside/train/step-9.pt").write_bytes(b"none")
            name, *further = words
            assert run([name, *further, "--dataset", str(rows), "--value-range", "0,1", "--anonymous", "--out",
                        f"inside/{out}"]) == 0, out
    assert run(["compare", "inside/error", "inside/other", "--anonymous", "--out", "inside/both"]) == 0
    found = {}
    for folder in (place / "work/inside").iterdir():
        found |= {f"{folder.name}: {name}": text for name, text in texts(folder).items()}
    out, err = capfd.readouterr()
    assert {name.split(":")[0] for name in found} == {*COMMANDS, "both"}
    said = [line for line in err.splitlines() if "Warning" not in line]
    silent(found | {"stdout": out, "stderr": "\n".join(said)}, place)


def test_by_default_only_places_outside_the_working_folder_are_names(place, capfd):
    assert run([*SAMPLES, str(place / "janedoe/drawn.npy"), "--held-out", "0.5", "--out", "inside/mine"]) == 0
    command = json.loads((place / "work/inside/mine/run.json").read_text())["command"]
    assert "--dataset inside/rows.npy" in command and "--samples drawn.npy" in command
    assert str(place) not in "".join(texts(place / "work/inside/mine").values())

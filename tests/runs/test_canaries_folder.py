"""A data set with planted canaries, written from Python as by the command line."""

import json

import pytest

from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.results import load_run
from fmdiag.runs.canaries import write_canaries


def test_python_writes_the_folder_that_the_command_writes(tmp_path):
    manifest = write_canaries(tmp_path / "python", "digits", n=40, multiplicities=(1, 2), n_each=2, seed=3)
    assert [entry["coin"] for entry in manifest["canaries"]] == [1, 1, 2, 2]
    assert run(["canaries", "--dataset", "digits", "--n", "40", "--multiplicities", "1,2", "--each", "2", "--seed", "3",
                "--out", str(tmp_path / "shell")]) == 0
    assert manifest == json.loads((tmp_path / "shell" / "canaries.json").read_text())
    python, shell = load_run(tmp_path / "python"), load_run(tmp_path / "shell")
    assert {**python, "command": shell["command"]} == shell
    names = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("python", "shell")]
    assert names[0] == names[1] and "train.npy" in names[0]


def test_a_folder_that_is_there_is_kept(tmp_path):
    write_canaries(tmp_path / "out", "digits", n=40, multiplicities=(1,), n_each=2)
    before = (tmp_path / "out" / "canaries.json").read_bytes()
    with pytest.raises(FmdiagError, match="exists"):
        write_canaries(tmp_path / "out", "digits", n=40, multiplicities=(2,), n_each=2)
    assert (tmp_path / "out" / "canaries.json").read_bytes() == before


def test_it_is_said_when_most_held_out_examples_become_canaries(tmp_path):
    with pytest.warns(FmdiagWarning, match="160 of 297 held-out examples have become canaries: 137 are left"):
        write_canaries(tmp_path / "out", "digits", n=40, multiplicities=(1,), n_each=160)

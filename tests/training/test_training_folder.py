"""The folder of `fmdiag train`: whatever a kill leaves can be gone on with, and no run begins that cannot end well."""

import contextlib
import os
from pathlib import Path

import pytest

from fmdiag.cli.main import run

TINY = ["--dataset", "digits", "--n", "4", "--network", "mlp", "--width", "2", "--depth", "1", "--steps", "1"]


class Killed(BaseException):
    """What no code catches."""


@pytest.mark.parametrize("in_place", [0, 1, 2], ids=["nothing", "one file", "two files"])
def test_a_training_killed_while_its_first_files_come_into_place_can_be_gone_on_with(tmp_path, monkeypatch, in_place):
    """Begun again where there is no state, resumed where there is one: a folder that is neither would be lost."""
    really, places, out = os.replace, [], tmp_path / "run"

    def replaced(temporary, path):
        if len(places) == in_place:
            raise Killed
        places.append(path)
        really(temporary, path)

    with monkeypatch.context() as patched, contextlib.suppress(Killed):
        patched.setattr(os, "replace", replaced)
        run(["train", *TINY, "--out", str(out)])
    assert len(places) == in_place
    words = ["--resume"] if (out / "state.pt").exists() else TINY
    assert run(["train", *words, "--out", str(out)]) == 0
    assert (out / "run.json").is_file() and (out / ".fmdiag.json").is_file()


@pytest.mark.parametrize("content", [b"hello", None], ids=["damaged", "missing"])
def test_a_held_out_part_that_cannot_be_read_is_refused_before_training(tmp_path, monkeypatch, capsys, content):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("others.npy").write_bytes(content)
    assert run(["train", *TINY, "--held-out", "others.npy", "--out", "out"]) == 2
    assert "others.npy" in capsys.readouterr().err and not Path("out").exists()

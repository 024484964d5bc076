"""Dry runs: the rows of the network that are counted are those that a run asks for; nothing is measured or written."""

import json

import numpy as np
import pytest

import fmdiag
from fmdiag.cli.main import run as command
from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.runs.dry_run import DryRun
from fmdiag.runs.probe import least, split
from fmdiag.runs.work import WORK

SMALL = {"error": {"n_pairs": 8, "times": [0.1, 0.55, 0.9], "n_steps": 6},
         "hybrid": {"n_samples": 8, "n_steps": 10, "taus": ((0.0, 0.25, 1.0),)},
         "memorization": {"n_samples": 40, "n_steps": 6},
         "uturn": {"n_starts": 6, "times": [0.2, 0.7], "n_steps": 10, "method": "midpoint"},
         "membership": {"n_images": 8, "n_noises": 2, "times": [0.3, 0.6, 0.9], "n_paths": 4, "n_steps": 10,
                        "attacks": ("none",)}}


@pytest.fixture(scope="module")
def digits():
    return fmdiag.load_dataset("digits", n=60)


@pytest.mark.parametrize("name", SMALL)
def test_network_rows_are_those_of_the_run(name, digits):
    """Counted by the field itself: to the row."""
    seen = []

    def field(x, t):
        seen.append(len(x))
        return -x

    with fmdiag.Run(field=field, train=digits) as run:
        run.measure(name, **SMALL[name])
    measured, dry = sum(seen), DryRun(field=lambda x, t: -x, train=digits)
    dry.measure(name, **SMALL[name])
    assert dry.estimate().lines[0]["rows"] == measured


def test_samples_are_counted_once(digits):
    dry = DryRun(field=lambda x, t: -x, train=digits)
    for name in ("quality", "metrics"):
        dry.measure(name, n_samples=80, n_steps=5)
    assert [line["rows"] for line in dry.estimate().lines] == [400, 0]


def test_every_diagnostic_of_ours_is_known():
    assert set(WORK) | {"pairing"} == {name for name in DIAGNOSTICS if name != "toy"}


def test_a_call_and_its_rows_are_told_apart():
    """A call of 2 s with rows of .5 s takes 2.5 s of one row and 6 s of eight."""
    assert np.allclose(split(2.5, 6.0, 8), (2.0, 0.5)) and split(3.0, 2.0, 8) == (3.0, 0.0)
    times = iter([0, 9, 10, 13, 20, 21])      # 9 s, which warms up, then 3 s and 1 s
    assert least(lambda: None, clock=lambda: next(times)) == 3


@pytest.mark.parametrize("words", [["report"], ["alignment", "--n-pairs", "8"], ["audit", "data/digits.pt"],
                                   ["study", "size", "--network", "mlp", "--width", "8", "--depth", "1"]])
def test_a_dry_run_writes_nothing(words, tmp_path, monkeypatch, capsys):
    words = [fmdiag.__path__[0] + "/../" + word if word.endswith(".pt") else word for word in words]
    monkeypatch.chdir(tmp_path)
    assert command([*words, "--dry-run", "--out", "mine"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert 4 <= len(printed) <= 15 and printed[0].startswith(f"dry run of fmdiag {words[0]}")
    assert any(line.startswith("time: about ") for line in printed) and list(tmp_path.iterdir()) == []


def test_as_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command(["alignment", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["dry_run"] and found["seconds"] > 0 and found["lines"][0]["name"] == "alignment"


@pytest.mark.parametrize(("words", "message"), [
    (["error", "none.pt"], "no such checkpoint"), (["report", "--out", "there"], "there exists"),
    (["alignment", "--times", "0:2:3"], "in [0, 1]"), (["study", "size", "--out", "there"], "is no study folder")])
def test_wrong_input_is_refused_as_without(words, message, tmp_path, monkeypatch, capsys):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert command([*words, "--dry-run"]) == 2
    assert message in capsys.readouterr().err

"""A run made again: equal where nothing changed, named where a cell was, refused in one line where it cannot be."""

import json
import shutil

import pandas as pd
import pytest

from fmdiag.cli.main import run
from fmdiag.results import load_table
from fmdiag.results.rerun import command_of, compared

WORDS = ["alignment", "--dataset", "digits", "--n", "40", "--n-pairs", "4", "--times", "0.2,0.6", "--seed", "3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    assert run([*WORDS, "--out", str(folder / "one")]) == 0
    return folder


def test_the_same_run_again_is_equal_and_a_changed_cell_is_named(made, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "one", "one")
    assert command_of("one") == WORDS
    assert run(["rerun", "one/run.json", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["same"] and found["differences"] == [] and found["changed"] == []
    assert load_table(tmp_path / "one-rerun", "alignment").equals(load_table(tmp_path / "one", "alignment"))

    table = load_table("one", "alignment")
    table.loc[3, "cosine"] -= 0.1
    table.to_parquet("one/tables/alignment.parquet")
    document = json.loads((tmp_path / "one/run.json").read_text())
    document["versions"]["torch"], document["dataset"]["fingerprint"] = "1.0", "0" * 64
    (tmp_path / "one/run.json").write_text(json.dumps(document))
    assert run(["rerun", "one", "--out", "two"]) == 1
    text = capsys.readouterr().out
    assert "alignment.cosine: 1 rows differ, largest 0.1" in text and "tables that differ: alignment\n" in text
    assert "torch: 1.0 before" in text and "dataset: 000000000000 before" in text


def test_rounding_is_told_from_difference():
    a = pd.DataFrame({"x": [0.0, 100.0, float("nan")], "s": ["a", "b", "c"], "n": [1, 2, 3]})
    b = a.assign(x=[5e-4, 100.0, float("nan")], s=["a", "b", "d"])
    assert list(compared(a, a)) == []
    (column, rows, largest, same), text = compared(a, b)
    assert (column, rows, same) == ("x", 1, True) and largest == pytest.approx(5e-6)
    assert text[:2] == ("s", 1) and not text[3]
    assert [one[3] for one in compared(a, b, 1e-6)] == [False, False]
    assert not next(compared(a, a.assign(x=[0.0, 100.0, 1.0])))[3]          # missing in one alone
    assert [one[0] for one in compared(a, a.head(2))] == [""]
    assert [one[0] for one in compared(a, a.drop(columns="n").assign(m=1))] == ["n", "m"]


@pytest.mark.parametrize(("command", "said"), [
    ("", "made again by its own script"), ("rm -rf x", "made again by its own script"), (None, "cannot be read"),
    ("fmdiag error 'x", "names no fmdiag"), ("fmdiag error a.pt --trust-code", "add --trust-code"),
    ("fmdiag --diagnostic=mine.py speed", "add --trust-code"), ("fmdiag train --steps 3", "makes measurements again"),
    ("fmdiag error gone.pt", "gone.pt")])
def test_what_cannot_be_made_again_is_said_in_one_line(made, tmp_path, capsys, monkeypatch, command, said):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "one", "one")
    document = json.loads((tmp_path / "one/run.json").read_text())
    (tmp_path / "one/run.json").write_text(json.dumps({**document, "command": command}))
    assert run(["rerun", "one"]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error and sorted(path.name for path in tmp_path.iterdir()) == ["one"]


def test_a_file_that_moved_is_placed(made, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["rerun", str(made / "one"), "--place", "digit=x"]) == 2
    assert "NAME a word of the run's command" in capsys.readouterr().err
    assert run(["rerun", str(made / "one"), "--place", "digits=two-moons", "--out", "two"]) == 1
    assert "dataset: " in capsys.readouterr().out

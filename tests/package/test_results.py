"""Run folders are whole or absent."""

import csv
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fmdiag.errors import FmdiagError
from fmdiag.results import (
    RunFolder,
    load_array,
    load_table,
    replace_atomically,
    save_table,
)


def test_a_run_appears_only_when_complete(tmp_path):
    with RunFolder(tmp_path / "run") as folder:
        folder.add_table("demo", pd.DataFrame({"x": [1 / 3]}))
        (folder.path / "arrays").mkdir()
        np.savez(folder.path / "arrays" / "demo.npz", images=np.zeros((1, 2)))
        folder.add_json("run.json", {})
        assert not (tmp_path / "run").exists()
    assert load_table(tmp_path / "run", "demo")["x"][0] == 1 / 3
    assert load_array(tmp_path / "run", "demo")["images"].shape == (1, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device"), ValueError])
def test_a_failed_run_leaves_nothing(tmp_path, error):
    with pytest.raises((KeyboardInterrupt, OSError, ValueError)), RunFolder(tmp_path / "run"):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_run_survives_a_failed_one_and_is_replaced_by_a_whole_one(tmp_path):
    def write(value):
        with RunFolder(tmp_path / "run", overwrite=True) as folder:
            folder.add_json("run.json", {"value": value})
            if value == 2:
                raise KeyboardInterrupt

    write(1)
    with pytest.raises(KeyboardInterrupt):
        write(2)
    assert '"value": 1' in (tmp_path / "run" / "run.json").read_text()
    write(3)
    assert '"value": 3' in (tmp_path / "run" / "run.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_other_folders_are_never_replaced(tmp_path):
    (tmp_path / "precious").mkdir()
    for overwrite in (False, True):
        with pytest.raises(FmdiagError, match="exists"):
            RunFolder(tmp_path / "precious", overwrite=overwrite)


def test_atomic_replacement_keeps_the_old_file_on_failure(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(temporary):
        open(temporary, "w").close()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        replace_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_and_folders_are_as_readable_as_the_umask_says(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        replace_atomically(tmp_path / "file", lambda temporary: Path(temporary).write_text("new"))
        with RunFolder(tmp_path / "run") as folder:
            folder.add_json("run.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode
    assert (tmp_path / "run" / "run.json").stat().st_mode & 0o777 == mode
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o777 & ~umask


def test_a_replaced_file_stays_as_private_as_it_was(tmp_path):
    path = tmp_path / "file"
    path.touch(mode=0o600)
    replace_atomically(path, lambda temporary: Path(temporary).write_text("new"))
    assert path.read_text() == "new" and path.stat().st_mode & 0o777 == 0o600


def test_folders_made_for_a_failed_run_are_removed_and_others_stay(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path / "mine" / "a" / "b" / "run"):
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


def test_an_earlier_run_returns_if_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    with RunFolder(tmp_path / "run") as folder:
        folder.add_json("run.json", {"value": 1})
    replace = os.replace

    def refuse(source, target):
        if str(source).endswith(".partial"):
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="Input/output"), RunFolder(tmp_path / "run", overwrite=True) as folder:
        folder.add_json("run.json", {"value": 2})
    assert '"value": 1' in (tmp_path / "run" / "run.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


FORMULAS = ['=HYPERLINK("http://x")', "+cmd|x", "-2+3+cmd|' /C calc'!A0", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1"]


def test_fault_5_low_a_spreadsheet_runs_nothing_of_a_table(tmp_path):
    numbers = ["-1.5", "+2e-3", "-0.3 [-0.5, 0.1]", "1/3", "a=b", ""]
    texts = [*FORMULAS, *numbers]
    table = pd.DataFrame({"text": texts, "number": -np.arange(len(texts), dtype=float), "kind": pd.Categorical(texts),
                          "=head": texts, "whole": -np.arange(len(texts))})
    save_table(tmp_path, "demo", table)
    raw = load_table(tmp_path, "demo")
    assert raw["number"].tolist() == table["number"].tolist() and list(raw) == list(table)
    assert raw["text"][0] == FORMULAS[0] and raw["kind"][3] == "@SUM(1)", "Parquet holds what was measured"
    with open(tmp_path / "tables" / "demo.csv", newline="") as stream:
        head, *rows = csv.reader(stream)
    assert head == ["text", "number", "kind", "'=head", "whole"]
    for text, number, kind, other, whole in rows[: len(FORMULAS)]:
        assert {text[0], kind[0], other[0]} <= {"'", "\\"} and float(number) == float(whole) <= 0
    assert [row[0] for row in rows[len(FORMULAS):]] == numbers

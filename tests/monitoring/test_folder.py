"""Tests of what in a folder is a checkpoint, when it is whole, and of which step it is."""

import os
import time

import pytest

from fmdiag.errors import FmdiagError
from fmdiag.monitoring import folder as module
from fmdiag.monitoring.folder import Arrivals, check_folder, entries, step_in_name, step_of


@pytest.mark.parametrize("name, step", [
    ("step-500.pt", 500), ("epoch=3-step=500.ckpt", 500), ("ema_0.9999_050000.pt", 50000), ("checkpoint-20", 20),
    ("model_iter_7.final.pth", 7), ("global_step1200", 1200), ("model.7.pt", 7), ("last.pt", None), ("epoch3.pt", 3)])
def test_the_step_in_a_name(name, step):
    assert step_in_name(name) == step


def test_what_the_checkpoint_records_goes_before_its_name(save, tmp_path):
    file = save(tmp_path / "step-9.pt", 40)
    assert step_of(file, {"steps": 40}) == (40, "record")
    assert step_of(file, {}) == (40, "record")                      # by a counter in the file
    file.write_bytes(b"")
    assert step_of(file, {}) == (9, "name")


def test_files_of_others_are_no_entries_and_numbers_are_in_order(tmp_path):
    for name in ("c-100.pt", "c-20.ckpt", "last.pth", "log.txt", "sample-3.png", ".c-7.pt.partial", "c-8.pt.tmp",
                 ".hidden.pt", "checkpoint.pt", "state.pt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "logs").mkdir()
    (tmp_path / "checkpoint-50").mkdir()
    (tmp_path / "checkpoint-50" / "model.safetensors").write_text("x")
    assert [path.name for path in entries(tmp_path)] == ["c-20.ckpt", "checkpoint-50", "c-100.pt", "checkpoint.pt",
                                                         "last.pth"]


def test_an_entry_is_told_once_when_it_has_not_changed_for_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.05)
    arrivals, file = Arrivals(tmp_path), tmp_path / "a-1.pt"
    file.write_text("half")
    assert arrivals.look() == ([], True)
    file.write_text("more than half")
    assert arrivals.look() == ([], True)
    time.sleep(0.06)
    assert arrivals.look() == ([file], False) and arrivals.look() == ([], False)
    file.write_text("another")                                       # replaced by a later step
    os.utime(file, (0, 0))                                           # long ago: nobody is writing
    assert arrivals.look() == ([file], False) and arrivals.look() == ([], False)
    arrivals.again(file)
    assert arrivals.look() == ([file], False)
    file.unlink()
    assert arrivals.look() == ([], False)


def test_what_is_replaced_all_the_time_is_tried_at_last(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    arrivals, file = Arrivals(tmp_path), tmp_path / "last.pt"
    for size in range(1, 50):
        file.write_bytes(b"x" * size)
        if arrivals.look()[0]:
            break
        time.sleep(0.01)
    assert 2 < size < 20


@pytest.mark.parametrize("make, words", [
    (lambda path: None, "does not exist: give the folder"), (lambda path: path.write_text(""), "is a file: give the"),
    (lambda path: (path.mkdir(), (path / "model.safetensors").write_text("")), "is one checkpoint: give the folder")])
def test_what_is_no_folder_of_checkpoints_is_refused(tmp_path, make, words):
    make(tmp_path / "x")
    with pytest.raises(FmdiagError, match=words):
        check_folder(tmp_path / "x")

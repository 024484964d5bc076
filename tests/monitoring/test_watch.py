"""Tests of a watch on real checkpoints: each is looked at once, what cannot be is named, and a series is judged."""

import shutil
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.monitoring import folder as module
from fmdiag.monitoring.measures import Setting, look
from fmdiag.monitoring.onset import tests_of as quantities_tested
from fmdiag.monitoring.series import result_of
from fmdiag.stats import exchanges_needed

QUICK = {"measures": ["f_mem"], "n_pairs": 8, "n_samples": 0, "device": "cpu"}


def watched(folder, **changes):
    """Watch a folder; return (Result, what was said of files that were skipped)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FmdiagWarning)
        found = fmdiag.watch(folder, **QUICK | changes)
    return found, [str(one.message) for one in caught if str(one.message).startswith("skipped")]


def nothing_drawn(monkeypatch):
    monkeypatch.setattr("fmdiag.monitoring.kept._draw", lambda staged: None)


def test_each_checkpoint_is_looked_at_once_and_a_watch_goes_on(save, tmp_path, monkeypatch):
    nothing_drawn(monkeypatch)
    folder, out = tmp_path / "run", tmp_path / "out"
    folder.mkdir()
    save(folder / "a-20.pt", 20), save(folder / "a-100.pt", 100)
    first, said = watched(folder, out=out)
    columns = ["look", "step", "checkpoint", "step_from"]
    assert not said and first.table.drop_duplicates("look")[columns].values.tolist() == [
        [1, 20, "a-20.pt", "record"], [2, 100, "a-100.pt", "record"]]
    parts = {path.name: path.stat().st_mtime_ns for path in (out / "parts").iterdir()}
    (folder / "a-20.pt").unlink()                                    # as trainers do that keep the last few
    shutil.copy(folder / "a-100.pt", folder / "same content.pt")
    save(folder / "a-60.pt", 60)                                     # late: the third look
    second, said = watched(folder, out=out)
    looks = second.table.drop_duplicates("look")[["look", "step"]].values.tolist()
    assert not said and looks == [[1, 20], [3, 60], [2, 100]]
    assert all((out / "parts" / name).stat().st_mtime_ns == at for name, at in parts.items())    # none was made again
    merged = second.table.merge(first.table, on=["step", "quantity"])
    assert (merged["value_x"] == merged["value_y"]).all() and len(merged) == len(first.table)
    assert pd.read_parquet(out / "tables" / "watch.parquet")["step"].nunique() == 3
    assert second.run["watch"]["n_pairs"] == 8 and second.run["diagnostics"]["watch"]["looks"] == 3
    with pytest.raises(FmdiagError, match="the watch was begun with n_pairs 8, got 9: give the same, or another --out"):
        watched(folder, out=out, n_pairs=9)


def test_looks_of_another_fmdiag_are_made_again_and_shown_once(save, tmp_path, monkeypatch):
    nothing_drawn(monkeypatch)
    folder, out = tmp_path / "run", tmp_path / "out"
    folder.mkdir()
    save(folder / "a-1.pt", 1), save(folder / "a-2.pt", 2)
    with monkeypatch.context() as earlier:
        earlier.setattr("fmdiag.studies.parts.made_by", lambda: "0.1")
        watched(folder, out=out)
    (folder / "a-1.pt").unlink()
    with pytest.warns(FmdiagWarning, match="by another fmdiag, at checkpoints that are gone: 1; they are kept"):
        found = fmdiag.watch(folder, out=out, **QUICK)
    assert found.table.drop_duplicates("quantity").equals(found.table) and set(found.table["step"]) == {2}
    assert found.summary.set_index("quantity")["n"]["tau_mem"] == 1


def test_what_cannot_be_measured_is_named_and_the_rest_goes_on(save, tmp_path):
    save(tmp_path / "a-10.pt", 10)
    save(tmp_path / "b-20.pt", 20, n=17)                             # other data
    save(tmp_path / "c-30.pt", 30, change=lambda weights: next(iter(weights.values())).fill_(float("nan")))
    save(tmp_path / "d-40.pt", 10, change=lambda weights: next(iter(weights.values())).mul_(2))
    torch.save({"photograph": torch.zeros(3)}, tmp_path / "holiday-2023.pt")
    whole = save(tmp_path / "e-50.pt", 50).read_bytes()
    (tmp_path / "e-50.pt").write_bytes(whole[: len(whole) // 2])     # cut off for good
    (tmp_path / "notes.txt").write_text("not mine")
    found, said = watched(tmp_path)
    assert set(found.table["step"]) == {10, 30} and found.tables["skipped"]["checkpoint"].tolist() == [
        "b-20.pt", "c-30.pt", "d-40.pt", "e-50.pt", "holiday-2023.pt"]
    for line, words in zip(said, ("was trained on other data (digits, n = 17) than this watch is about (digits, n = 1",
                                  "NaN or infinite", "is of step 10, as a-10.pt is, which was measured",
                                  "e-50.pt", "is of no known family"), strict=True):
        assert words in line and "\n" not in line
    row = found.table[found.table["step"] == 30].iloc[0]
    assert row["quantity"] == "not_measured" and np.isnan(row["value"]) and "use an earlier checkpoint" in row["note"]
    assert found.summary["step"].dropna().unique().tolist() == [10]
    assert found.facts["skipped"][0].startswith("b-20.pt: ")


@pytest.mark.parametrize("files, words", [
    ({}, "holds no checkpoint: give the folder"), ({"notes.txt": b"x"}, "holds no checkpoint: give the folder"),
    ({"a.pt": b"x", "b.pt": b"y"}, "no checkpoint of 2 can be measured; the first: .*a.pt")])
def test_a_folder_without_checkpoints_is_refused(tmp_path, files, words):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FmdiagWarning)
        with pytest.raises(FmdiagError, match=words):
            fmdiag.watch(tmp_path, **QUICK)
        with pytest.raises(FmdiagError, match=words):
            fmdiag.watch(tmp_path, follow=True, idle=0, poll=0.05, **QUICK)
    with pytest.raises(FmdiagError, match="give --follow too"):
        fmdiag.watch(tmp_path, until=3)


WRITER = """
import sys, time
content, target = open(sys.argv[1], "rb").read(), open(sys.argv[2], "wb", buffering=0)
for k in range(10):
    target.write(content[k * len(content) // 10:(k + 1) * len(content) // 10])
    time.sleep(float(sys.argv[3]) if k == 4 else 0.02)
"""


@pytest.mark.parametrize("stop, lines", [(0.02, 0), (0.9, 1)], ids=["slowly", "with a stop"])
def test_a_checkpoint_that_is_being_written_is_waited_for(save, tmp_path, monkeypatch, stop, lines):
    monkeypatch.setattr(module, "PAUSE", 0.3)
    folder, source = tmp_path / "run", save(tmp_path / "source.pt", 7)
    folder.mkdir()
    save(folder / "a-3.pt", 3)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(source), str(folder / "a-7.pt"), str(stop)])
    found, said = watched(folder, follow=True, poll=0.05, until=7, idle=30)
    assert writer.wait() == 0
    assert set(found.table["step"]) == {3, 7} and found.tables["skipped"].empty and len(said) <= lines


def looks_at(train, fields):
    setting = Setting(train, measures=("gap", "f_mem", "membership"), n_steps=6, times=(0.3, 0.8))
    tests = quantities_tested(setting)
    tables = [look(field, setting, step=100 * k, n=32, exchanges=exchanges_needed(k, n_tests=3)).assign(
        look=k, checkpoint=f"{k}.pt", step_from="name") for k, field in enumerate(fields, 1)]
    return result_of(pd.concat(tables, ignore_index=True), pd.DataFrame(columns=["checkpoint", "step", "reason"]),
                     tests=tests, parameters={})


def test_a_series_that_goes_over_to_its_training_examples_is_found_and_one_that_does_not_is_not():
    rng = np.random.default_rng(0)
    rows, others, third = (np.float32(rng.normal(size=(n, 6))) for n in (60, 60, 60))
    train = fmdiag.TrainingSet(rows, held_out_source=fmdiag.TrainingSet(others))

    def population(x, t):
        t = t.reshape(-1, 1).to(x)
        return x * (2 * t - 1) / ((1 - t) ** 2 + t**2)

    def series(rows):
        u_star = fmdiag.ClosedFormField(rows)
        return [lambda x, t, s=s: s * u_star(x, t) + (1 - s) * population(x, t) for s in (0, 0, 1, 1)]

    found = looks_at(train, series(train))
    tau = found.summary[found.summary["quantity"] == "tau_mem"].iloc[0]
    assert found.verdict.answer == "copies found" and (tau["value"], tau["low"], tau["high"]) == (300, 200, 300)
    assert "first rejects at step 300, not yet at step 200" in found.verdict.text
    assert found.verdict.effect["value"] > 0.5 and found.verdict.p < 1e-6
    found = looks_at(train, series(fmdiag.TrainingSet(third)))
    assert found.verdict.answer == "undecided"
    assert "rejects at none of 4 looks, the last at step 400" in found.verdict.text
    onsets = found.summary[found.summary["quantity"].str.startswith("tau_")]
    assert onsets["value"].isna().all() and np.isinf(onsets["high"]).all() and set(onsets["quantity"]) == {
        "tau_mem", "tau_gap", "tau_auc"}

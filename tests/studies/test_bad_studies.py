"""Wrong input to a study: one line, exit code 2, nothing spoilt."""

import json

import pytest
from small_studies import SMALL, STORY, TWO

from fmdiag.cli.main import run

TINY = [*SMALL, "--width", "8", "--depth", "1", "--steps", "10", "--sizes", "10"]


def fails(capsys, *arguments):
    capsys.readouterr()
    assert run([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and error.count("\n") == 1, error
    return error


@pytest.mark.parametrize("arguments, message", [
    (["--sizes", "10,5000"], "digits has 1500 rows"), (["--sizes", "1"], "give sizes from 2"),
    (["--sizes", "ten"], "whole numbers"), (["--sizes", "10,10"], "given twice"), (["--seeds", "0"], "--seeds"),
    (["--losses", "cmf"], "did you mean 'cfm'"), (["--losses", "efm:x"], "not understood"),
    (["--losses", "efm:128"], "cannot be drawn from 10"), (["--feature", "inceptoin"], "unknown feature"),
    (["--feature", "classifier"], "fmdiag classifier"), (["--dataset", "digitz"], "did you mean 'digits'"),
    (["--n-nearest", "200"], "n_nearest"), (["--network", "mlp", "--dropout", "0.2"], "dropout"),
    (["--gather"], "no model of this study is finished"),
])
def test_bad_input_is_one_line(tmp_path, capsys, arguments, message):
    assert message in fails(capsys, "study", "size", *TINY, "--out", tmp_path / "study", *arguments)
    assert not (tmp_path / "study" / "run.json").exists()


@pytest.mark.parametrize("kind, changed, message", [
    ("time", [], "a study of size, not of time"),
    ("size", ["--dataset", "two-moons", "--network", "mlp", "--held-out", "0.1"], "a study of other data"),
    ("size", ["--lr", "0.1"], "begun with lr 0.004, got 0.1"), ("size", ["--sizes", "10,20"], "--change"),
])
def test_another_study_is_not_overwritten(digits_study, capsys, kind, changed, message):
    before = (digits_study / "study.json").read_bytes()
    arguments = [*STORY, *TWO, "--evaluations", "4", *changed, "--out", digits_study]
    assert message in fails(capsys, "study", kind, *arguments)
    assert (digits_study / "study.json").read_bytes() == before


def test_other_folders_are_left_alone(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert "no study folder" in fails(capsys, "study", "size", *TINY, "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "file").write_text("")
    assert "is a file" in fails(capsys, "study", "size", *TINY, "--out", tmp_path / "file" / "study")


def test_change_keeps_the_parts_that_are_the_same(tmp_path, capsys):
    out = tmp_path / "study"
    assert run(["study", "size", *TINY, "--seeds", "1", "--out", str(out)]) == 0
    kept = {path: path.stat().st_mtime_ns for path in out.glob("parts/*/part.json")}
    assert run(["study", "size", *TINY, "--sizes", "10,20", "--seeds", "1", "--out", str(out), "--change"]) == 0
    now = {path: path.stat().st_mtime_ns for path in out.glob("parts/*/part.json")}
    assert len(kept) == 2 and len(now) == 4 and {path: now[path] for path in kept} == kept


def test_a_study_needs_a_test_part(tmp_path, capsys):
    import numpy as np

    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32))
    tiny = [word for word in TINY if word not in ("--dataset", "digits")]
    error = fails(capsys, "study", "size", "--dataset", tmp_path / "rows.npy", *tiny, "--out", tmp_path / "study")
    assert "--held-out" in error


@pytest.mark.drawn
def test_losses_carry_the_caution_of_optimal_transport(tmp_path, capsys):
    out = tmp_path / "study"
    assert run(["study", "losses", *TINY, "--losses", "cfm,otcfm,efm:4", "--seeds", "2", "--out", str(out)]) == 0
    from fmdiag.results import load_table

    for name in ("study_losses", "summary", "study_losses_table"):
        table = load_table(out, name)
        assert set(table.loc[table["objective"] == "otcfm", "caution"]) == {"ot-coupling"}
        assert set(table.loc[table["objective"] == "cfm", "caution"]) == {""}
    captions = json.loads((out / "figures" / "captions.json").read_text())
    assert all("whose minimiser is not the û*" in text["caption"] for text in captions.values())
    assert "whose minimiser is not the û*" in (out / "index.html").read_text()
    summary = load_table(out, "summary")
    quality = load_table(out, "study_losses")
    last = quality[quality["step"] == 10].pivot(index="seed", columns="objective", values="frechet_test")
    row = summary[(summary["quantity"] == "frechet_test_minus_cfm") & (summary["objective"] == "otcfm")].iloc[0]
    assert row["value"] == pytest.approx((last["otcfm"] - last["cfm"]).mean(), rel=1e-9)

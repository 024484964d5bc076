"""`fmdiag memorization` on planted copies: tables, gallery, verdict; wrong input gives one line and exit code 2."""

import json

import numpy as np
import pytest

from fmdiag import load_dataset
from fmdiag.cli.main import run
from fmdiag.errors import FmdiagWarning
from fmdiag.results import load_array, load_run, load_table


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Return a file of 30 samples in model range: 6 training digits, 24 held-out ones."""
    digits = load_dataset("digits")
    values = np.concatenate([digits[:6].numpy(), digits.held_out[:24].numpy()])
    path = tmp_path_factory.mktemp("samples") / "samples.npy"
    np.save(path, values)
    return path


def test_planted_copies_are_found(samples, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(["memorization", "--samples", str(samples), "--dataset", "digits", "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["verdict"]["text"].startswith("Copies found: 20.0%")
    assert load_run(out)["verdict"] == printed["verdict"]
    table = load_table(out, "memorization")
    model = table[table["source"] == "model"]
    assert list(model.loc[model["memorized"], "nearest"]) == list(range(6))
    assert set(table["source"]) == {"model", "heldout", "closed_form"}
    gallery = load_array(out, "memorization")
    assert gallery["samples"].shape == gallery["neighbors"].shape == (30, 1, 8, 8)
    np.testing.assert_array_equal(gallery["samples"][:6], gallery["neighbors"][:6])


@pytest.mark.parametrize(("arguments", "message"), [
    (["--samples", "SAMPLES"], "give a CHECKPOINT, or --samples together with the --dataset"),
    (["--samples", "SAMPLES", "--dataset", "two-moons"], "a sample must have shape (2,)"),
    (["--samples", "SAMPLES", "--dataset", "digits", "--sample-range", "0,255"], "outside the value_range"),
    (["--samples", "SAMPLES", "--dataset", "digits", "--threshold", "2"], "--threshold"),
    (["--samples", "missing.npy", "--dataset", "digits"], "missing.npy"),
])
def test_wrong_input_is_one_line_and_leaves_nothing(samples, tmp_path, capsys, arguments, message):
    out = tmp_path / "run"
    arguments = [str(samples) if argument == "SAMPLES" else argument for argument in arguments]
    assert run(["memorization", *arguments, "--out", str(out)]) == 2
    captured = capsys.readouterr()
    error = [line for line in captured.err.splitlines() if line.startswith("Error: ")]
    assert len(error) == 1 and message in error[0] and "Traceback" not in captured.err
    assert list(tmp_path.iterdir()) == []


def test_rows_that_are_held_out_and_trained_on_are_said_everywhere(samples, tmp_path, capsys):
    """Of 100 held-out digits 10 are training rows: a warning, a caution and counts; of 30, no verdict."""
    digits = load_dataset("digits")
    for leaked, judged in ((10, "Copies found: 20.0%"), (30, "Not judged: 30 of 100 held-out examples")):
        held_out = np.concatenate([digits.rows[:leaked], digits.held_out.rows[: 100 - leaked]])
        np.save(tmp_path / "held.npy", held_out / 8 - 1)
        out = tmp_path / f"run{leaked}"
        np.save(tmp_path / "train.npy", digits[:].numpy())
        with pytest.warns(FmdiagWarning, match=f"{leaked} of 100 held-out examples equal training examples"):
            assert run(["memorization", "--samples", str(samples), "--dataset", str(tmp_path / "train.npy"),
                        "--held-out", str(tmp_path / "held.npy"), "--out", str(out), "--json"]) == 0
        captured = capsys.readouterr()
        record = load_run(out)
        assert record["verdict"]["text"].startswith(judged) and json.loads(captured.out)["verdict"] == record["verdict"]
        assert record["held_out"]["training_rows"] == leaked and record["held_out"]["used"] == 100 - leaked
        assert f"{leaked} of 100" in record["cautions"][0]

"""`fmdiag quality` on given samples: table, figure, section data; a wrong metric is one line."""

import json

import numpy as np
import pytest

from fmdiag import load_dataset
from fmdiag.cli.main import run
from fmdiag.results import load_run, load_table


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    path = tmp_path_factory.mktemp("samples") / "samples.npy"
    np.save(path, load_dataset("digits")[:100].numpy())
    return path


@pytest.mark.drawn
def test_a_run(samples, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(["quality", "--samples", str(samples), "--dataset", "digits", "--metric", "kid", "--out", str(out),
                "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["details"]
    assert {row["quantity"] for row in printed["summary"]} == {"kid_train", "kid_test"}
    table = load_table(out, "quality")
    assert set(table["source"]) == {"model", "heldout", "difference"} and (table["feature"] == "pca").all()
    assert (out / "figures" / "quality.png").is_file()
    assert load_run(out)["diagnostics"]["quality"]["command"].startswith("fmdiag quality --dataset digits --samples")


def test_wrong_names_are_one_line(samples, fails_cleanly):
    given = ["quality", "--samples", samples, "--dataset", "digits"]
    fails_cleanly([*given, "--metric", "fid"], "unknown metric 'fid'", "frechet")
    fails_cleanly([*given, "--feature", "pixel"], "did you mean 'pixels'")
    fails_cleanly(["quality", "--samples", samples], "give a CHECKPOINT, or --samples together with the --dataset")

"""Python and the command line make the same study: plan, parts, tables and verdict."""

import json

import pandas as pd
import pytest
from small_studies import SMALL

from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError
from fmdiag.results import load_run, load_table
from fmdiag.studies.settings import load_data, make_plan
from fmdiag.studies.study import Study

MEASURES = {"n_samples": 100, "n_nearest": 60, "n_steps": 15, "n_pairs": 16}
TRAINING = {"network": "mlp", "width": 8, "depth": 1, "steps": 10, "batch_size": 64, "seeds": 1}
WORDS = [*SMALL, "--width", "8", "--depth", "1", "--steps", "10", "--seeds", "1", "--sizes", "20,10"]


@pytest.fixture(scope="module")
def data():
    return load_data("digits", feature="pixels")


def test_the_same_from_python_and_from_the_shell(data, tmp_path, capsys):
    study = Study(make_plan("size", data, sizes=[10, 20], **TRAINING, **MEASURES), data, tmp_path / "python")
    study.run(device="cpu")
    found = study.gather()
    assert run(["study", "size", *WORDS, "--device", "cpu", "--out", str(tmp_path / "shell"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["verdict"] == found.verdict and shown["details"]["parts"] == found.counts["parts"] == 4
    inputs, of_shell = (json.loads((tmp_path / name / "study.json").read_text())["inputs"]
                        for name in ("python", "shell"))
    assert inputs == of_shell
    for name, table in found.tables.items():
        pd.testing.assert_frame_equal(load_table(tmp_path / "shell", name), table, check_exact=True)
    assert set(load_run(tmp_path / "python")) == set(load_run(tmp_path / "shell"))


@pytest.mark.parametrize("kind, settings, message", [
    ("sise", {}, "did you mean 'size'"), ("size", {"sizes": ["ten"]}, "whole numbers"),
    ("losses", {"losses": ["cmf"]}, "did you mean 'cfm'"), ("size", {"sizes": (10, 10)}, "given twice"),
])
def test_bad_settings_are_refused(data, kind, settings, message):
    with pytest.raises(FmdiagError, match=message):
        make_plan(kind, data, **TRAINING | settings)

"""Python and the command line say the same: tables, summary and verdict, by the command that a Run records."""

import shlex

import pandas as pd
import pytest

import fmdiag
from fmdiag.cli.main import run as shell
from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.results import load_run, load_table


@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
@pytest.mark.parametrize("name", [name for name, card in DIAGNOSTICS.items() if card.command])
def test_the_same_from_python_and_from_the_shell(name, tiny, tmp_path, capsys):
    checkpoint, parameters = tiny(name)
    run = fmdiag.Run(checkpoint, device="cpu")
    found = getattr(run, DIAGNOSTICS[name].method)(**parameters)
    words = shlex.split(found.run["diagnostics"][name]["command"])
    assert words[:2] == ["fmdiag", name]
    capsys.readouterr()
    assert shell([*words[1:], "--device", "cpu", "--verbose", "--out", str(tmp_path / "run")]) == 0
    assert str(found) in capsys.readouterr().out
    record = load_run(tmp_path / "run")
    for table, rows in {**found.all_tables(), "summary": found.summary}.items():
        kept = load_table(tmp_path / "run", table)
        same = kept.drop(columns=[column for column in kept if column == "caution"])
        pd.testing.assert_frame_equal(same[list(rows)], rows, check_exact=True)
        assert set(same) == set(rows)
    assert record.get("verdict") == (found.verdict and found.verdict.describe())
    assert found.cautions == [text for text in record["cautions"] if text in found.cautions]
    assert record["checkpoint"]["sha256"] == run.checkpoint.sha256

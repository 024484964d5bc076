"""Captions name the intervals that a figure draws, and no others."""

import json

import numpy as np
import pandas as pd
from synthetic_run import run_json

from fmdiag.figures.captions import _first_curve
from fmdiag.figures.run_data import RunData
from fmdiag.results import save_table
from fmdiag.stats import row


def test_rows_without_an_interval_are_no_kind_of_interval(tmp_path):
    rows = [row("error", "shell", 1.0, n=1), row("error", "shell", (1.0, 0.9, 1.1), n=9, interval="exact"),
            row("error", "gap", 1.0, n=1)]
    (tmp_path / "tables").mkdir()
    save_table(tmp_path, "summary", pd.DataFrame(rows))
    (tmp_path / "run.json").write_text(json.dumps(run_json(diagnostics={"error": {}})))
    run = RunData(tmp_path)
    shown = run.interval_facts("error", "shell")
    assert shown.startswith("95 %") and "none" not in shown and " and " not in shown
    assert run.interval_facts("error", "gap") == "no intervals"


def test_the_ends_that_are_read_out_are_of_one_curve_and_of_rows_that_have_a_time():
    rows = pd.DataFrame({"t": [0.5, 0.9, 0.1, 0.9, np.nan], "value": [0.6, 0.7, 0.2, 0.3, 0.4],
                         "attack": ["naive", "naive", "mc", "mc", "blind-size"]})
    first = _first_curve(rows[rows["t"].notna()])
    assert first["value"].tolist() == [0.6, 0.7]

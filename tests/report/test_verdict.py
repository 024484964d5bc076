"""The top of the page: the run's own verdict, else the diagnostic's rule, and one sentence per other diagnostic."""

import json

import numpy as np
import pandas as pd
import pytest
from synthetic_run import run_json

from fmdiag.figures import RunData
from fmdiag.report import verdict
from fmdiag.results import save_table
from fmdiag.stats import summary_row


def run_with(tmp_path, rows, **document):
    (tmp_path / "tables").mkdir()
    if rows:
        save_table(tmp_path, "summary", pd.DataFrame(rows))
    (tmp_path / "run.json").write_text(json.dumps(run_json(**document)))
    return RunData(tmp_path)


def rates(model, null):
    keys = {"feature": "pixels", "threshold": 1 / 3}
    return [summary_row("memorization", "f_mem", np.arange(n) < k, interval="exact", source=source, **keys)
            for source, (k, n) in {"model": model, "heldout": null, "closed_form": (10, 10)}.items()]


def distances(model, null):
    """Return the raw table of so many copies of so many samples."""
    return pd.concat([pd.DataFrame({"source": source, "sample": range(n), "nearest": range(n), "d1": 0.0, "d2": 1.0,
                                    "ratio": np.where(np.arange(n) < k, 0.1, 0.9), "memorized": np.arange(n) < k,
                                    "feature": "pixels", "threshold": 1 / 3})
                      for source, (k, n) in {"model": model, "heldout": null, "closed_form": (10, 10)}.items()])


@pytest.mark.parametrize(("model", "null", "words"), [
    ((95, 100), (0, 100), "Copies found"),
    # On low-dimensional data a quarter of fresh samples pass the rule: the same share is no evidence.
    ((25, 100), (24, 100), "Undecided: "),
])
def test_without_a_verdict_of_its_own_a_run_gets_the_diagnostics_rule(tmp_path, model, null, words):
    run = run_with(tmp_path, rates(model, null))
    save_table(tmp_path, "memorization", distances(model, null))
    found = verdict(run)
    text = found["text"]
    assert found["kind"] == ("memorises" if "Copies" in words else "open")
    assert text.startswith(words) and f"{model[0] / model[1]:.1%} [" in text


def test_the_runs_own_verdict_is_shown(tmp_path):
    run = run_with(tmp_path, rates((9, 10), (0, 10)), verdict={"text": "Memorised.", "details": ["f_mem 90 %"]})
    found = verdict(run)
    assert (found["text"], found["kind"], found["details"]) == ("Memorised.", "open", ["f_mem 90 %"])
    assert [(label, cell["value"]) for label, cell in found["numbers"]] == [
        ("f_mem, model", 0.9), ("f_mem, held-out examples", 0.0), ("f_mem, û* (closed form)", 1.0)]


def test_a_verdict_may_be_a_plain_sentence(tmp_path):
    assert verdict(run_with(tmp_path, [], verdict="Memorised."))["text"] == "Memorised."


def test_without_samples_nothing_is_claimed(tmp_path):
    assert verdict(run_with(tmp_path, []))["text"].startswith("No verdict")


def test_details_name_extremes_with_their_intervals(tmp_path):
    rows = [summary_row("error", "squared_error", [1.0, 3.0], t=0.1),
            summary_row("error", "squared_error", [5.0, 7.0], t=0.4),
            summary_row("hybrid", "distance", [2.0, 4.0], tau=0.0),
            summary_row("hybrid", "distance", [0.0, 0.0], tau=1.0),
            summary_row("alignment", "collapse_time_measured", [0.25], dim=64),
            summary_row("alignment", "collapse_time_measured", [np.nan], dim=2)]
    collapse, error, hybrid = verdict(run_with(tmp_path, rows))["details"]
    # Student's t for two values a, b: half width 12.706 |a - b| / 2 = 12.7.
    assert "t = 0.40: 6 [-6.71, 18.7]" in error
    assert "3 [-9.71, 15.7] at τ = 0, and 0 [0, 0] at τ = 1" in hybrid
    assert "64 dimensions" in collapse and "t = 0.25 on" in collapse

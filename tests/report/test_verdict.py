"""The verdict compares the model with its null, not with a magic number."""

import json

import numpy as np
import pandas as pd
import pytest
from synthetic_run import run_json

from fmdiag.figures import RunData
from fmdiag.report import verdict
from fmdiag.results import save_table, summary_row


def run_with(tmp_path, rates, **document):
    (tmp_path / "tables").mkdir()
    rows = [summary_row("memorization", "f_mem", np.arange(n) < k, interval="exact", source=source)
            for source, (k, n) in rates.items()]
    if rows:
        save_table(tmp_path, "summary", pd.DataFrame(rows))
    (tmp_path / "run.json").write_text(json.dumps(run_json(**document)))
    return RunData(tmp_path)


@pytest.mark.parametrize(("model", "null", "words"), [
    ((95, 100), (0, 100), "The model memorises"),
    ((0, 500), (0, 500), "shows no memorisation"),
    # On low-dimensional data a quarter of fresh samples pass the rule: the same share is no evidence.
    ((25, 100), (24, 100), "No memorisation beyond the held-out null"),
    ((2, 20), (0, 20), "No memorisation beyond the held-out null"),
])
def test_judgement_depends_on_the_null(tmp_path, model, null, words):
    text = verdict(run_with(tmp_path, {"model": model, "heldout": null}))["text"]
    assert words in text


def test_numbers_and_intervals_are_in_the_sentence(tmp_path):
    # Clopper-Pearson of 0 of 10: the upper end is 1 - 0.025^(1/10) = 0.3085.
    text = verdict(run_with(tmp_path, {"model": (10, 10), "heldout": (0, 10), "closed_form": (10, 10)}))["text"]
    assert "100.0% [69.2%, 100.0%] of 10" in text and "0.0% [0.0%, 30.8%] of 10" in text and "û*" in text


def test_without_a_null_no_judgement_is_made(tmp_path):
    assert "without its null" in verdict(run_with(tmp_path, {"model": (9, 10)}))["text"]


def test_without_samples_nothing_is_claimed(tmp_path):
    assert verdict(run_with(tmp_path, {}))["text"].startswith("No verdict")


def test_the_runs_own_verdict_is_shown(tmp_path):
    run = run_with(tmp_path, {"model": (9, 10)}, verdict={"text": "Memorised.", "details": ["f_mem 90 %"]})
    assert verdict(run) == {"text": "Memorised.", "details": ["f_mem 90 %"]}

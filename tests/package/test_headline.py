"""Headline numbers: one list, in a fixed order, of a run's own values and intervals."""

import numpy as np
import pandas as pd
import pytest

from fmdiag.results.headline import MOST, headline
from fmdiag.runs.publish import headline as of_audit


def row(diagnostic, quantity, value, low=None, high=None, **keys):
    return {"diagnostic": diagnostic, "quantity": quantity, "value": value, "low": low, "high": high, "level": 0.95,
            "n": 20, "interval": "exact", **keys}


ROWS = [
    row("hybrid", "memorized", 0.0, 0.0, 0.3, tau=0.0), row("hybrid", "memorized", 0.4, 0.2, 0.6, tau=0.5),
    row("hybrid", "memorized", 0.7, 0.48, 0.9, tau=0.75), row("hybrid", "memorized", 1.0, 0.8, 1.0, tau=1.0),
    row("error", "gap", 0.1, 0.0, 0.2, t=0.1), row("error", "gap", 9.0, 8.0, 10.0, t=0.5),
    row("error", "gap", 0.3, 0.1, 0.5, t=0.5) | {"interval": "simultaneous"},
    row("error", "gap", 0.4, 0.1, 0.7, t=0.9) | {"interval": "simultaneous"},
    row("membership", "auc_p", 0.01, score="loss"), row("membership", "auc_overall", 0.6, 0.5, 0.7, score="loss"),
    row("membership", "auc_overall", 0.9, 0.8, 1.0, score="pull"),
    row("memorization", "f_mem", 0.9, 0.8, 1.0, source="heldout", threshold=1 / 3),
    row("memorization", "f_mem", 0.2, 0.1, 0.3, source="model", threshold=1 / 3),
    row("memorization", "f_mem", 0.2, 0.0, 0.4, source="model", threshold=1 / 3) | {"interval": "bootstrap"},
]
VERDICT = {"text": "", "answer": "no excess found", "exclusion": 0.012, "effect": {"n": 20}, "numbers": {"power": [
    {"share": 0.05, "power": 0.8, "low": 0.7, "high": 0.9, "n": 200}, {"share": 0.05, "power": 1.0, "n": 200},
    {"share": 0.1, "power": 0.1, "n": 200}]}}


def test_each_number_is_the_run_s_own_with_its_interval():
    found = {entry["quantity"]: entry for entry in headline(pd.DataFrame(ROWS), {"verdict": VERDICT})}
    assert list(found) == ["f_mem", "f_mem_heldout", "exclusion", "power", "membership_auc", "gap", "hybrid_tau"]
    numbers = {name: (entry["value"], entry["low"], entry["high"]) for name, entry in found.items()}
    assert numbers == {"f_mem": (0.2, 0.1, 0.3), "f_mem_heldout": (0.9, 0.8, 1.0), "exclusion": (0.012, None, None),
                       "power": (0.8, 0.7, 0.9), "membership_auc": (0.6, 0.5, 0.7),  # "pull" is not judged
                       "gap": (0.4, 0.1, 0.7), "hybrid_tau": (0.75, 0.5, 1.0)}
    assert "1/3" in found["f_mem"]["words"] and "t = 0.9" in found["gap"]["words"]
    assert all(list(entry) == ["quantity", "words", "value", "low", "high", "n", "definition"]
               for entry in found.values())


def test_the_attack_that_one_half_chose_comes_before_scores_that_all_examples_chose():
    attack = [row("membership", "attack_p", 0.5, attack="SecMI", half="report"),
              row("membership", "best_auc", 0.55, 0.45, 0.65, attack="SecMI", half="report"),
              row("membership", "best_auc", 0.99, 0.9, 1.0, attack="PIA", half="report")]
    found = {entry["quantity"]: entry for entry in headline(pd.DataFrame(ROWS + attack), {})}
    assert found["membership_auc"]["value"] == 0.55 and "SecMI" in found["membership_auc"]["words"]


def test_there_are_at_most_ten_and_other_diagnostics_fill_up():
    others = [row("mine", f"q{k}", float(k), color="red") for k in range(4)]
    found = headline(pd.DataFrame([*others, *ROWS]), {"verdict": VERDICT})
    assert len(found) == MOST and "power" not in {entry["quantity"] for entry in found}
    assert found[-1]["words"] == "mine: q3 (color red)"
    steps = pd.DataFrame([row("watch", name, float(step), step=step) for step in (1, 5) for name in ("error", "f_mem")])
    assert [(entry["quantity"], entry["value"]) for entry in headline(steps, {})] == [("f_mem", 5), ("error", 5)]
    curve = [row("error", "squared_error", value, value - 1, value + 1, t=t, states="train")
             for t, value in ((0.1, 2.0), (0.5, 4.0))] + [row("error", "shell", 9.0, 8.0, 10.0, t=0.5, states="train")]
    assert [(entry["quantity"], entry["value"], entry["low"]) for entry in headline(pd.DataFrame(curve), {})] == [
        ("squared_error", 4.0, 3.0)]


def test_of_a_diagnostic_without_bounds_nothing_stands_beside_one_that_has_them():
    """Duplicates: one share with its interval, and none of the counts; of others numbers with intervals first."""
    duplicates = [row("duplicates", name, 0.0, source="train", feature="pixels") for name in ("groups", "largest")]
    duplicates.append(row("duplicates", "duplicated", 0.0, 0.0, 0.01, source="train", feature="pixels"))
    others = [row("mine", "count", 0.0), row("mine", "share", 0.2, 0.1, 0.3)]
    found = headline(pd.DataFrame(duplicates + others), {})
    assert [(entry["quantity"], entry["high"]) for entry in found] == [("duplicated", 0.01), ("share", 0.3)]


def test_run_json_of_an_audit_keeps_exclusion_and_power():
    document = {"verdicts": [{"question": "Copies?", "answer": "no evidence", "text": "None."}], "limits": [],
                "advice": []}
    record = of_audit(document, VERDICT)
    found = {entry["quantity"]: entry["value"] for entry in headline(pd.DataFrame(ROWS), record)}
    assert (found["exclusion"], found["power"]) == (0.012, 0.8) and record["verdict"]["text"] == "None."


@pytest.mark.parametrize("record", [{}, {"verdict": "a sentence"}, {"verdict": None}])
def test_a_run_without_numbers_has_no_headline(record):
    assert headline(pd.DataFrame([row("error", "gap", np.nan, t=0.5)]), record) == []

"""The audit's document: schema, corrected tests, verdicts that follow from them, and limits that are always said."""

import json

import numpy as np
import pandas as pd
import pytest

from fmdiag.diagnostics.audit.document import compose
from fmdiag.diagnostics.audit.schema import SCHEMA, validate
from fmdiag.diagnostics.memorization.rule import verdict
from fmdiag.diagnostics.memorization.summary import summarise
from fmdiag.errors import FmdiagError
from fmdiag.stats import row


def samples(copied, null, n=200, control=20):
    """Return the memorization table of n samples and n held-out rows with so many memorised ones."""
    ratios = {"model": np.where(np.arange(n) < copied, 0.1, 0.9), "heldout": np.where(np.arange(n) < null, 0.1, 0.9),
              "closed_form": np.where(np.arange(20) < control, 0.0, 0.9)}
    return pd.concat([pd.DataFrame({"source": source, "sample": np.arange(len(ratio)), "nearest": np.arange(len(ratio)),
                                    "d1": ratio, "d2": 1.0, "ratio": ratio, "memorized": ratio < 1 / 3,
                                    "feature": "pixels", "threshold": 1 / 3}) for source, ratio in ratios.items()],
                     ignore_index=True)


def field(p):
    """Return summary rows of a membership test with one overall p-value."""
    p_row = row("membership", "auc_p", p, n=100, score="loss")
    area = {"diagnostic": "membership", "value": 0.7, "low": 0.6, "high": 0.8, "level": 0.95, "n": 100,
            "interval": "newcombe", "score": "loss"}
    band = area | {"quantity": "auc", "interval": "simultaneous"}
    return pd.DataFrame([p_row, area | {"quantity": "auc_overall"}, band | {"t": 0.9}, band | {"t": 0.5, "low": 0.4}])


def document(*parts, diagnostics=("memorization", "membership")):
    record = {"diagnostics": dict.fromkeys(diagnostics, {}), "dataset": {"n": 10}, "checkpoint": {"warnings": ["a"]}}
    tables = [part for part in parts if "ratio" in part]
    if tables:
        record["verdict"] = verdict(tables[0]).describe()
    return compose(record, pd.concat([summarise(part) if "ratio" in part else part for part in parts],
                                     ignore_index=True))


def answers(found):
    return {entry["id"]: entry["answer"] for entry in found["verdicts"]}


def test_a_document_follows_its_schema_and_is_plain_json():
    found = document(samples(40, 1), field(1e-6))
    validate(found)
    again = json.loads(json.dumps(found, allow_nan=False))
    validate(again)
    assert again == found and found["schema"] == SCHEMA == "fmdiag-audit/1"
    assert answers(found) == {"copies": "yes", "field": "yes", "canaries": "not measured",
                              "gap": "not measured", "returns": "not measured"}
    assert [control["passed"] for control in found["controls"]] == [True, None]
    assert found["verdicts"][0]["text"].startswith("Copies found: 20.0%")
    assert any("1 in 67" in sentence for sentence in found["limits"]) and "a." in found["limits"]


def test_p_values_are_corrected_within_their_family():
    """Further questions never weaken the first, and are corrected among themselves."""
    found = document(samples(40, 1), field(0.03))
    by_id = {test["id"]: test for test in found["tests"]}
    assert found["correction"] == {"method": "holm", "comparisons": 2, "level": 0.05,
                                   "families": {"primary": 1, "secondary": 1}}
    assert by_id["copies"]["p_holm"] == by_id["copies"]["p"]
    assert by_id["membership/loss"]["p_holm"] == 0.03


def test_a_rate_that_the_null_has_too_is_no_evidence():
    """A quarter passes the rule, as in few dimensions: so do held-out rows."""
    found = document(samples(52, 50))
    assert answers(found)["copies"] == "undecided"
    assert "an excess of up to 8." in found["verdicts"][0]["text"]


def test_two_weak_results_do_not_make_a_strong_one():
    """p = 0.04 and 0.04: each below 0.05, none after correction."""
    found = document(field(0.04), pd.DataFrame([field(0.04).iloc[0].to_dict() | {"score": "error"}]),
                     diagnostics=["membership"])
    assert answers(found) == {"copies": "not measured", "field": "no evidence", "canaries": "not measured",
                              "gap": "not measured", "returns": "not measured"}


def test_a_failed_positive_control_and_a_missing_null_leave_it_undecided():
    assert answers(document(samples(40, 1, control=19)))["copies"] == "undecided"
    table = samples(40, 1)
    found = document(table[table["source"] != "heldout"])
    assert answers(found)["copies"] == "not judged" and "held-out examples" in found["advice"][0]


def test_times_are_named_by_the_band_and_claimed_only_with_the_answer():
    text = {p: document(field(p), diagnostics=["membership"])["verdicts"][1]["text"] for p in (1e-6, 0.4)}
    assert text[1e-6].endswith("the 95 % band over 2 times lies above 1/2 for loss at t = 0.9.")
    assert text[0.4].startswith("No evidence") and text[0.4].endswith(
        "for loss at t = 0.9, which is no evidence after the correction for the other questions.")
    nowhere = field(0.4).assign(low=0.4)
    text = document(nowhere, diagnostics=["membership"])["verdicts"][1]["text"]
    assert text.endswith("lies nowhere above 1/2.") and "largest" not in text


def test_a_field_of_which_no_image_is_left_is_not_judged():
    reason = pd.DataFrame([row("membership", "not_judged", np.nan, n=0) | {"note": "digits: too few images"}])
    found = document(reason, diagnostics=["membership"])
    assert answers(found)["field"] == "not judged"
    assert found["verdicts"][1]["text"] == "Not judged: digits: too few images."


def differences(p, low=0.1):
    """Return summary rows of a gap per time and of returns with these p-values, of bands above 0 at t = 0.5 only."""
    band = {"value": 0.2, "high": 0.3, "level": 0.95, "n": 40, "interval": "simultaneous"}
    rows = [row("error", "gap_p", p, n=40), row("uturn", "difference_p", p, n=40, field="model")]
    for diagnostic, quantity in (("error", "gap"), ("uturn", "returned_difference")):
        rows += [band | {"diagnostic": diagnostic, "quantity": quantity, "t": t, "low": end, "field": "model"}
                 for t, end in ((0.5, low), (0.9, -0.1))]
    return pd.DataFrame(rows)


def test_the_gap_and_the_returns_are_named_with_their_times_and_corrected_together():
    """Four secondary tests at p = .01: .04 each; at .02: .08."""
    for p, answer in ((0.01, "yes"), (0.02, "no evidence")):
        found = document(samples(40, 1), field(p), field(p).iloc[:1].assign(score="error"), differences(p))
        validate(json.loads(json.dumps(found, allow_nan=False)))
        assert {answers(found)[name] for name in ("gap", "returns", "field")} == {answer}
        assert found["correction"]["families"] == {"primary": 1, "secondary": 4}
        texts = {entry["id"]: entry["text"] for entry in found["verdicts"]}
        for name in ("gap", "returns"):
            assert "0.2 [0.1, 0.3] at t = 0.5" in texts[name] and "at t = 0.9" not in texts[name]
            assert "above 0 at 1 of them" in texts[name] and ("no evidence" in texts[name]) == (answer != "yes")
    nowhere = document(samples(40, 1), differences(0.5, low=-0.1))
    assert "above 0 at 0 of them: " in next(e["text"] for e in nowhere["verdicts"] if e["id"] == "gap")


def test_without_a_null_neither_the_gap_nor_the_returns_are_judged():
    record = {"diagnostics": {}, "dataset": {}, "null_not_judged": "held-out examples of another kind"}
    found = compose(record, differences(1e-6))
    assert answers(found)["gap"] == answers(found)["returns"] == "not judged"
    assert all("another kind" in entry["text"] for entry in found["verdicts"] if entry["id"] in ("gap", "returns"))


VERDICT = {"id": "x", "question": "", "answer": "yes", "text": "", "tests": []}


@pytest.mark.parametrize(("change", "message"), [
    ({"schema": "fmdiag-audit/9"}, "fmdiag-audit/9.*schema"),
    ({"limits": None}, "missing required field `limits`"),
    ({"definitions": {}}, "definition is not given"),
    ({"verdicts": [VERDICT | {"answer": "maybe"}]}, "maybe.*verdicts.0..answer"),
    ({"verdicts": [VERDICT | {"tests": ["y"]}]}, "'x' rests on an unknown"),
    ({"tests": [{"id": "x"}]}, "missing required field `hypothesis`"), ({"tests": 3}, "Expected `array`"),
    ({"correction": []}, "Expected `object`"), ({"values": [3]}, "Expected `object`"),
])
def test_a_document_that_does_not_is_refused(change, message):
    found = document(samples(40, 1)) | change
    found = {key: value for key, value in found.items() if value is not None}
    with pytest.raises(FmdiagError, match=message):
        validate(found)


def test_what_is_no_object_is_no_audit():
    with pytest.raises(FmdiagError, match="no document of the schema 'fmdiag-audit/1'"):
        validate([])

"""Document of an audit, audit.json: what the whole evidence says, and what not, from the parts' summaries."""

import math

import numpy as np

from fmdiag.diagnostics.audit.hypotheses import controls, tests
from fmdiag.diagnostics.audit.limits import advice, limits
from fmdiag.diagnostics.audit.schema import DEFINITIONS, LEVEL, SCHEMA
from fmdiag.diagnostics.audit.verdicts import verdicts

OF_QUANTITY = {"f_mem": "fmdiag/f_mem-l2-distinct-d2", "f_mem_same_noises": "fmdiag/f_mem-l2-distinct-d2",
               "f_mem_other_steps": "fmdiag/f_mem-l2-distinct-d2", "steps_p": "fmdiag/mcnemar-exact-other-steps",
               "f_mem_excess": "fmdiag/f_mem-excess",
               "excess_alignment": "fmdiag/excess-alignment", "excess_alignment_overall": "fmdiag/excess-alignment",
               "excess_p": "fmdiag/excess-alignment", "energy": "fmdiag/path-energy",
               "terminal_share": "fmdiag/path-energy", "energy_ratio": "fmdiag/path-energy"}
OF_ATTACKS = ("attack_", "best_", "above_blind", "smallest_fpr")   # how the quantities of published attacks begin
OF_DIAGNOSTIC = {"membership": "fmdiag/membership-auc", "provenance": "fmdiag/provenance",
                 "canaries": "fmdiag/canaries", "error": "fmdiag/error", "uturn": "fmdiag/uturn",
                 "geometry": "fmdiag/geometry", "patches": "fmdiag/patches",
                 "duplicates": "fmdiag/duplicates"}


def compose(record, summary, copied=None):
    """Return the document of an audit.

    Parameters
    ----------
    record : dict
        What run.json says; its "diagnostics" are the parts that were measured.
    summary : DataFrame
        All summary rows.
    copied : DataFrame, optional
        The training examples that samples are copies of: table copied_files of the memorization diagnostic.
    """
    found, not_judged = tests(summary), record.get("null_not_judged")
    values = [_value(row) for row in summary.to_dict("records")]
    controls_ = controls(summary)
    used = {entry["definition"] for entry in [*values, *controls_]}
    return {"schema": SCHEMA,
            "subject": {"checkpoint": record.get("checkpoint"), "dataset": record.get("dataset")},
            "verdicts": verdicts(summary, found, not_judged, record.get("verdict")),
            "controls": controls_, "tests": found,
            "correction": {"method": "holm", "comparisons": len(found), "level": LEVEL, "families": {
                family: sum(test["family"] == family for test in found) for family in ("primary", "secondary")}},
            "values": values, "copied": _copied(copied),
            "definitions": {name: DEFINITIONS.get(name, "see the metric's module") for name in sorted(used)},
            "limits": limits(record, summary), "advice": advice(record, summary), "provenance": record}


def _copied(table):
    """Return the copied training examples as plain values: what is removed before a model is trained again."""
    names = {"feature": "feature", "row": "row", "file": "file", "n_copied": "samples", "n_heldout": "held_out"}
    rows = [] if table is None else table[list(names)].rename(columns=names).to_dict("records")
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _value(row):
    """Return a summary row as plain values, its definition named, without the keys that it does not have."""
    definition = row.get("definition")
    if not isinstance(definition, str):
        definition = OF_QUANTITY.get(row["quantity"], OF_DIAGNOSTIC.get(row["diagnostic"], "fmdiag/summary"))
        if row["diagnostic"] == "membership" and row["quantity"].startswith(OF_ATTACKS):
            definition = "fmdiag/attacks"
    fixed = ("diagnostic", "quantity", "value", "low", "high", "level", "n", "interval")
    plain = {key: _plain(row[key]) for key in fixed}
    keys = {key: _plain(value) for key, value in row.items() if key not in (*fixed, "definition")}
    return {**plain, "definition": definition, **{key: value for key, value in keys.items() if value is not None}}


def _plain(value):
    value = value.item() if isinstance(value, np.generic) else value
    return None if value is None or (isinstance(value, float) and not math.isfinite(value)) else value

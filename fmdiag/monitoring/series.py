"""Result of a series of looks at checkpoints: table, summary, onsets, and what is said of them."""

import numpy as np
import pandas as pd

from fmdiag.monitoring.onset import COPIES, NAME, onsets, with_corrected
from fmdiag.results import Result, Verdict
from fmdiag.stats.looks import ERROR

COLUMNS = ["look", "step", "checkpoint", "step_from", "quantity", "value", "low", "high", "level", "n", "interval", "p",
           "p_corrected", "seconds", "measure", "note"]
CURVES = ["diagnostic", "quantity", "step", "value", "low", "high", "level", "n", "interval"]
NOTHING = "not_measured"
SPOKEN = {"auc": "membership by the loss", "gap": "a loss that is lower on training examples"}


def result_of(looks, skipped, *, tests, parameters):
    """Return the Result of a table of looks.

    Parameters
    ----------
    looks : DataFrame
        Rows of `fmdiag.monitoring.measures.look` with look (their number, in the order in which they were made),
        checkpoint and step_from; rows NOTHING of checkpoints that have none.
    skipped : DataFrame
        Columns checkpoint, step and reason.
    tests : sequence of str
        Quantities that are tested at every look.
    parameters : dict

    Returns
    -------
    Result
        Table watch with COLUMNS, a row per look and quantity, in the order of steps; table skipped; the summary has the
        quantities per step, and the rows of `fmdiag.monitoring.onset.onsets`.
    """
    table = with_corrected(looks.sort_values("look", kind="stable"), tests=tests)
    found = onsets(table, tests=tests)
    table = table.sort_values(["step", "look"], kind="stable", ignore_index=True)[COLUMNS]
    curves = table[table["value"].notna()].assign(diagnostic=NAME)[CURVES]
    summary = pd.concat([curves, found], ignore_index=True)
    return Result(NAME, table, summary, parameters, {"skipped": skipped}, verdict=verdict(found, table),
                  facts={"skipped": [f"{row.checkpoint}: {row.reason}" for row in skipped.itertuples()]})


def not_measured(step, reason):
    """Return the row of a checkpoint that has no numbers, as a table."""
    return pd.DataFrame([{"step": step, "quantity": NOTHING, "value": np.nan, "low": np.nan, "high": np.nan, "n": 0,
                          "level": np.nan, "interval": "none", "p": np.nan, "seconds": 0.0, "measure": NOTHING,
                          "note": reason}])


def verdict(found, table):
    """Return the Verdict on copies along training, from the onsets."""
    of_copies = found[(found["of"] == COPIES) & (found["n"] > 0)] if len(found) else found
    details = [*map(_of_test, _rows(found[found["of"] != COPIES] if len(found) else found)), *_of_distance(found)]
    n_looks, last = table.loc[table["quantity"] != NOTHING, "look"].nunique(), table["step"].max()
    looks = f"{n_looks} look{'s' * (n_looks != 1)}"
    if not len(of_copies):
        return Verdict("not judged", f"Not judged: no test of copies could be made in {looks}, which needs held-out "
                       "examples of the same distribution.", details=details)
    row = of_copies.iloc[0]
    if np.isnan(row["value"]):
        return Verdict("undecided", f"Undecided: the test of copies rejects at none of {looks}, the last at step "
                       f"{last:.0f} (smallest p = {row['p']:.2g}, corrected for every look there may be).",
                       details=details)
    effect = table[(table["quantity"] == COPIES) & (table["step"] == row["value"])].iloc[0]
    effect = {name: float(effect[name]) for name in ("value", "low", "high", "level", "n")}
    return Verdict("copies found", f"Copies found: the test of copies first rejects at step {row['value']:.0f}, "
                   f"{_before(row)}; probability of any false alarm at most {ERROR:.0%}, however many looks."
                   .replace("%,", " %,"), effect=effect, p=float(row["p"]), details=details)


def _rows(found):
    return [row for _, row in found[found["quantity"] != "tau_gen"].iterrows()] if len(found) else []


def _before(row):
    return f"not yet at step {row['low']:.0f}" if row["low"] > 0 else "the first look"


def _of_test(row):
    what = SPOKEN.get(row["of"], row["of"])
    if not row["n"]:
        return f"The test of {what} could not be made at any look."
    if np.isnan(row["value"]):
        return f"The test of {what} rejects at no look (smallest corrected p = {row['p']:.2g})."
    return (f"The test of {what} first rejects at step {row['value']:.0f}, {_before(row)}: from there on the model is "
            "shown to fit its training examples better than others, which is not to copy them.")


def _of_distance(found):
    for row in found[found["quantity"] == "tau_gen"].itertuples() if len(found) else ():
        yield (f"The test distance is within a tenth of its smallest value from step {row.value:.0f} on, somewhere in "
               f"({row.low:.0f}, {row.high:.0f}] given the intervals of the distances.")

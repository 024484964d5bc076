"""Verdict at the top of the page: what the run found, in a sentence and a few numbers.

A command that judges writes its verdict into run.json; for runs without one it is made here from the table of samples,
by the memorization diagnostic's own rule, so that there is one rule only.
"""

from fmdiag.figures.error import on_training_paths
from fmdiag.figures.style import SOURCES
from fmdiag.report.tables import cell

# What the page marks: copies that were found, and nothing else; an absence of evidence is open.
KINDS = {"copies found": "memorises"}
LEVEL = 0.05


def verdict(run):
    """Return the verdict of a run as {"text": sentence, "kind", "numbers", "details": list of further sentences}.

    The kind is "memorises" or "open"; numbers are (label, cell) pairs: the memorised fractions.

    Parameters
    ----------
    run : RunData
        The run; ``run.json["verdict"]`` is a sentence, or such a dict; ``run.json["reading"]`` stands for it.
    """
    given = run.run.get("verdict") or run.run.get("reading")
    given = given if isinstance(given, dict) else {"text": given} if given else from_tables(run)
    own = given.get("details") or None
    own = details(run) if own is None and "runs" not in run.run else own
    return {"text": str(given["text"]), "kind": KINDS.get(given.get("answer"), "open"), "numbers": list(numbers(run)),
            "details": [own] if isinstance(own, str) else list(own or [])}


def numbers(run):
    """Yield (label, cell) of the memorised fraction of every source, per feature space; of every run, where several."""
    rows = run.summary("memorization", "f_mem")
    rows = rows[rows["interval"] == "exact"]
    rows = rows[rows["source"] == "model"] if "run" in rows and len(rows) else rows
    several = "feature" in rows and rows["feature"].nunique() > 1
    for row in rows.itertuples():
        keys = (SOURCES.get(row.source, row.source), row.feature if several else "", getattr(row, "run", ""))
        yield "f_mem, " + ", ".join(word for word in keys if word), cell(row.value, row.low, row.high)


def from_tables(run):
    """Return the verdict on memorised samples, else a text on the collapse of û*, else that nothing was judged."""
    table = run.table("memorization")
    if table is not None and len(table):
        # Imported here: the rule lives beside the diagnostic, whose package needs torch, and drawing must not.
        from fmdiag.diagnostics.memorization.rule import verdict as judge

        return judge(table).describe()
    if len(run.summary("alignment")):
        return {"text": "No model was measured: the alignment of û* describes the training set."}
    return {"text": "No verdict on copies: this run did not look for them."}


def details(run):
    """Return one sentence with its interval per diagnostic that the summary has, memorization excepted."""
    return [*_collapse(run), *_largest_error(run), *_trajectories(run), *_hybrid_ends(run), *_returns(run),
            *_dimensions(run), *_parts(run)]


def _collapse(run):
    rows = run.summary("alignment", "collapse_time_measured")
    for row in (rows[rows["note"].notna()] if "note" in rows else rows.iloc[:0]).itertuples():
        yield f"û* in {row.dim:.0f} dimensions rests on one training example (source weight above 1/2): {row.note}."
    measured = rows.dropna(subset="value")
    fresh = run.summary("alignment", "collapse_time_fresh").dropna(subset="value")
    for row in measured.itertuples():
        found = [f"; on fresh noise paths fewer than two training examples count from t = {_number(other)} on"
                 for other in fresh[fresh["dim"] == row.dim].itertuples()]
        yield (f"û* in {row.dim:.0f} dimensions rests on one training example (source weight above 1/2) from t = "
               f"{_number(row)} on{''.join(found)}.")


def _largest_error(run):
    rows = on_training_paths(run.summary("error", "squared_error")).dropna(subset="value")
    if len(rows):
        row = rows.loc[rows["value"].idxmax()]
        yield (f"On training paths the model's squared error against û* is largest at t = {row['t']:.2f}: "
               f"{_number(row)} per coordinate.")


def _trajectories(run):
    rows = run.summary("error", "leaves", "gap_p")
    leaves = {row["states"]: row for _, row in rows[rows["quantity"] == "leaves"].iterrows()} if len(rows) else {}
    if {"model", "heldout"} <= set(leaves):
        yield ("Most states leave the band of distances that training paths fill (99 % of it): the model's own "
               f"trajectories {_from(leaves['model'])}, held-out paths {_from(leaves['heldout'])}.")
    for row in rows[rows["quantity"] == "gap_p"].dropna(subset="value").itertuples() if len(rows) else ():
        shown = "is" if row.value <= LEVEL else "is not shown to be"
        yield f"The loss {shown} lower on training paths than on held-out paths at some time (p = {row.value:.2g})."


def _from(row):
    return f"from t = {_number(row)} on" if row["value"] == row["value"] else "at no time measured up to t = 0.9"


def _hybrid_ends(run):
    rows = run.summary("hybrid", "distance").sort_values("tau") if len(run.summary("hybrid", "distance")) else ()
    if len(rows):
        ends = rows.iloc[[0, -1]] if len(rows) > 1 else rows
        parts = [f"{_number(row)} at τ = {row['tau']:g}" for _, row in ends.iterrows()]
        yield f"Hybrid samples lie {', and '.join(parts)} from their nearest training example (Euclidean, model range)."


def _returns(run):
    rows = run.summary("uturn", "return_time", "difference_p")
    rows = rows[rows["field"] == "model"] if len(rows) else rows
    rows = rows[rows["feature"] == rows["feature"].iloc[0]] if len(rows) else rows
    times = {row["source"]: _number(row) for _, row in rows[rows["quantity"] == "return_time"].iterrows()}
    if "heldout" in times:
        p = rows.loc[rows["quantity"] == "difference_p", "value"].iloc[0]
        yield (f"Half of the training examples return in U-turns from t = {times['train']} on, half of the held-out "
               f"ones from t = {times['heldout']} on; p = {p:.2g} for training examples returning no more often.")


def _dimensions(run):
    rows = run.summary("geometry", "lid_p", "lid_difference")
    for row in rows[rows["quantity"] == "lid_p"].dropna(subset="value").itertuples() if len(rows) else ():
        shown = "is" if row.value <= LEVEL else "is not shown to be"
        differences = rows[rows["quantity"] == "lid_difference"]
        lowest = differences.loc[differences["value"].idxmin()]
        yield (f"The local dimension of the field {shown} lower at training examples than at held-out ones at some "
               f"time (p = {row.value:.2g}; difference {_number(lowest)} at t = {lowest['t']:g}).")


def _parts(run):
    rows = run.summary("patches", "flagged", "patches_p")
    rows = rows[rows["place"] == "same"] if len(rows) else rows
    flagged = rows[rows["quantity"] == "flagged"] if len(rows) else rows
    shares = {row["source"]: _number(row) for _, row in flagged.iterrows()}
    p = rows.loc[rows["quantity"] == "patches_p", "value"] if len(rows) else ()
    if len(p):
        yield (f"A share {shares['model']} of the samples and {shares['heldout']} of the held-out images have parts of "
               f"training images, at the same place; p = {p.iloc[0]:.2g} for samples having them no more often.")


def _number(row):
    row = row._asdict() if hasattr(row, "_asdict") else row
    interval = f" [{row['low']:.3g}, {row['high']:.3g}]" if row["low"] == row["low"] else ""
    return f"{row['value']:.3g}{interval}"

"""Run of the search for copies among samples that are given, or drawn from a context's model."""

import warnings

from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.memorization import gallery, null_size
from fmdiag.diagnostics.memorization.measure import gallery as closest
from fmdiag.diagnostics.memorization.measure import measure, summarise
from fmdiag.diagnostics.memorization.rule import verdict
from fmdiag.diagnostics.memorization.sweep import roc, sweep
from fmdiag.diagnostics.points.judged import judged_samples
from fmdiag.diagnostics.spaces import described
from fmdiag.errors import FmdiagWarning
from fmdiag.results import Result, Verdict


def run(context, parameters):
    """Return the Result: distances, threshold sweep, ROC curve, gallery, verdict."""
    rows = context.training_set
    null_size.check_held_out(rows)
    features, plan = context.spaces(parameters)
    samples, drawn = judged_samples(context, parameters)
    table = measure(samples, rows, n_steps=parameters.n_steps, feature=features, threshold=parameters.threshold,
                    plan=plan, generator=context.generator(), **surroundings(context), **shown(context, "memorization"))
    summary = summarise(table)
    _warn_of_a_small_null(table)
    reason = table.attrs.get("not_judged") or (rows.overlap and rows.overlap.not_judged())
    points = {"model": samples, "heldout": rows.unseen}
    return Result(
        "memorization", table, summary, {**drawn, "threshold": parameters.threshold, **described(features, parameters)},
        {"sweep": sweep(table), "roc": roc(table)},
        {"memorization": closest(samples, rows, table, decoder=context.decoder),
         "gallery": gallery.pictures(table, points, rows, decoder=context.decoder)},
        Verdict("undecided", verdict(summary, not_judged=reason)))


def _warn_of_a_small_null(table):
    """Say so where few held-out examples make the null, and with it the verdict, weak."""
    counts = table.groupby("source")["sample"].nunique()
    said = null_size.warning(counts.get("heldout", 0), counts["model"])
    if said is not None:
        warnings.warn(said, FmdiagWarning, stacklevel=2)

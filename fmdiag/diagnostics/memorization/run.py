"""Run of the search for copies among samples that are given, or drawn from a context's model."""

import warnings

import pandas as pd

from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.memorization import classes, copied, gallery, null_size, steps
from fmdiag.diagnostics.memorization.closest import closest
from fmdiag.diagnostics.memorization.copies import power_of_the_rule
from fmdiag.diagnostics.memorization.measure import measure
from fmdiag.diagnostics.memorization.rule import verdict
from fmdiag.diagnostics.memorization.summary import summarise
from fmdiag.diagnostics.memorization.sweep import roc, sweep
from fmdiag.diagnostics.nulls import one_image, unlike_data
from fmdiag.diagnostics.points.judged import N_SAMPLES, judged_samples
from fmdiag.diagnostics.spaces import described
from fmdiag.errors import FmdiagWarning
from fmdiag.fields import is_sampler
from fmdiag.results import Result
from fmdiag.sampling import ADAPTIVE, solver_text


def run(context, parameters):
    """Return the Result: distances, threshold sweep, ROC curve, gallery, check of the steps, verdict."""
    rows = context.training_set
    null_size.check_held_out(rows)
    features, plan = context.spaces(parameters)
    samples, asked = judged_samples(context, parameters)
    solver = None if parameters.samples is not None else solver_text(parameters.method, parameters.n_steps,
                                                                     context.field)
    if solver is not None and context.reading("times_of_scheduler").get("times_of_scheduler"):
        solver += " at the scheduler's times"
    table = measure(samples, rows, n_steps=parameters.n_steps, feature=features, threshold=parameters.threshold,
                    plan=plan, generator=context.generator(), **surroundings(context), **shown(context, "memorization"))
    _warn_of_a_small_null(table)
    found = _of_steps(context, parameters, table, features, plan)
    reason = (table.attrs.get("not_judged") or (rows.overlap and rows.overlap.not_judged()) or table.attrs.get("null")
              or unlike_data(table) or one_image(samples, table))
    summary = pd.concat([summarise(table, judged=not reason), *found["summary"]], ignore_index=True)
    detectable = None if reason else power_of_the_rule(table, rows, features, plan, context)
    recorded = {**asked, "solver": solver, "threshold": parameters.threshold, **described(features, parameters)}
    return Result(
        "memorization", table, summary, recorded,
        {"sweep": sweep(table), "roc": roc(table), "copied_files": copied.measure(table, rows), **found["tables"],
         **_null_tables(table),
         **classes.measure(table, rows),
         **({} if detectable is None else {"power": detectable})},
        _pictures(context, samples, table), verdict(table, solver=solver, not_judged=reason, power=detectable),
        found["cautions"],
        {**found["facts"], **({"not_judged": reason} if reason else {}),
         **({"null_not_judged": table.attrs["null"]} if "null" in table.attrs else {})})


def _null_tables(table):
    """Return what was found about the held-out rows, as tables; empty ones are left out."""
    found = {name: pd.DataFrame(table.attrs.get(name, [])) for name in ("overlap", "null_checks")}
    return {name: rows for name, rows in found.items() if len(rows)}


def _of_steps(context, parameters, table, features, plan):
    """Return what half the steps change of the share of copies, where the samples were drawn with fixed steps."""
    if parameters.samples is not None or parameters.method in ADAPTIVE or is_sampler(context.field):
        return {"summary": [], "tables": {}, "cautions": [], "facts": {}}
    n = steps.number_checked(parameters.n_samples or N_SAMPLES)
    again = context.samples(n, steps.other_steps(parameters.n_steps), parameters.method, lost_ones="left")
    both = steps.measure(table, again, context.training_set, features=features, plan=plan, device=context.device,
                         group=context.group)
    if both is None:
        return {"summary": [], "tables": {}, "cautions": [], "facts": {}}
    summary = steps.summarise(both)
    sentence, caution = steps.sentences(summary, parameters.method, parameters.n_steps)
    return {"summary": [summary], "tables": {"steps": both}, "cautions": [caution] if caution else [],
            "facts": {"steps": sentence}}


def _pictures(context, samples, table):
    rows = context.training_set
    points = {"model": samples, "heldout": rows.unseen}
    return {"memorization": closest(samples, rows, table, decoder=context.decoder),
            "gallery": gallery.pictures(table, points, rows, decoder=context.decoder)}


def _warn_of_a_small_null(table):
    """Say so where few held-out examples make the null, and with it the verdict, weak."""
    counts = table.groupby("source")["sample"].nunique()
    remark = null_size.warning(counts.get("heldout", 0), counts["model"])
    if remark is not None:
        warnings.warn(remark, FmdiagWarning, stacklevel=2)

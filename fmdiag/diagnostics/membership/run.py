"""Run of the membership test on a context's model: scores per time, published attacks, excess alignment, energy."""

import pandas as pd

from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.membership import energy, excess_alignment, measure
from fmdiag.diagnostics.membership.attacks import chosen_attacks
from fmdiag.diagnostics.membership.attacks import measure as published
from fmdiag.diagnostics.membership.attacks.complexity import codec_of
from fmdiag.diagnostics.membership.attacks.reference import load_reference
from fmdiag.diagnostics.membership.attacks.summary import left_out
from fmdiag.diagnostics.membership.attacks.summary import summarise as summarise_attacks
from fmdiag.diagnostics.membership.examples import TooFewImages
from fmdiag.diagnostics.memorization.null_size import check_held_out
from fmdiag.errors import printable
from fmdiag.results import Result
from fmdiag.stats import row


def run(context, parameters):
    """Return the Result; tables membership, attacks, excess and energy, summarised together.

    Where too few images are left to compare, that of the energy alone, with the reason in the summary's row
    not_judged and among the cautions.
    """
    check_held_out(context.training_set, required=True)
    attacks = chosen_attacks(parameters.attacks, parameters.reference)
    codec = codec_of(context.training_set.shape, parameters.codec) if attacks else None
    reference = load_reference(context, parameters.reference) if parameters.reference else None
    solver = {"n_steps": parameters.n_steps, "method": parameters.method}
    paths = energy.measure(context.field, context.training_set, n_samples=parameters.n_paths,
                           generator=context.generator(), **solver, **surroundings(context))
    recorded = {"n_noises": parameters.n_noises, "n_paths": parameters.n_paths, **solver}
    try:
        table, excess = _compared(context, parameters)
    except TooFewImages as reason:
        rows = [row(measure.NAME, "not_judged", float("nan"), n=0) | {"note": printable(str(reason))}]
        return Result("membership", pd.DataFrame(columns=measure.COLUMNS),
                      pd.concat([pd.DataFrame(rows), energy.summarise(paths)], ignore_index=True), recorded,
                      {"energy": paths}, cautions=[f"membership is not judged: {reason}"])
    found = _attacked(context, parameters, table, attacks, codec, reference)
    summaries = [measure.summarise(table), found["summary"], excess_alignment.summarise(excess),
                 energy.summarise(paths)]
    summary = pd.concat([part for part in summaries if len(part)], ignore_index=True)
    recorded = {"n_images": int(table["pair"].nunique()), "n_times": int(table["t"].nunique()), **recorded,
                **found["facts"]}
    return Result("membership", table, summary, recorded,
                  {**found["tables"], "excess": excess, "energy": paths}, {"membership": measure.curves(table)},
                  cautions=[*_cautions(table.attrs["recurring"]), *found["cautions"]])


def _compared(context, parameters):
    """Return the tables of scores and of the excess alignment."""
    images = {"times": parameters.times, "n_images": parameters.n_images, "n_noises": parameters.n_noises,
              **surroundings(context), **shown(context, "membership")}
    return [measured(context.field, context.training_set, generator=context.generator(), **images)
            for measured in (measure.measure, excess_alignment.measure)]


def _attacked(context, parameters, table, attacks, codec, reference):
    """Return summary, tables, facts and cautions of the published attacks, empty where none is asked for."""
    if not attacks:
        return {"summary": pd.DataFrame(), "tables": {}, "facts": {"attacks": []}, "cautions": []}
    rows = context.training_set
    drawn = measure.draw(rows, n_images=parameters.n_images, n_noises=parameters.n_noises,
                         generator=context.generator())
    found = published.measure(context.field, rows, drawn, table, attacks, codec=codec, path=context.path,
                              group=context.group, reference=reference and reference.field,
                              **shown(context, "membership attacks"))
    out, facts, cautions = left_out(found), {"attacks": list(attacks), "codec": codec}, []
    if out:
        cautions.append(f"membership attacks without finite scores are left out: {', '.join(out)}")
    if reference is not None:
        facts |= reference.facts
        cautions += [*reference.cautions, *reference.shared(drawn.members, rows, context)]
    return {"summary": summarise_attacks(found), "tables": {"attacks": found}, "facts": facts, "cautions": cautions}


def _cautions(counts):
    """Return what a reader must know of rows that were left out."""
    return [f"membership leaves out {counts[0]} training and {counts[1]} held-out examples, whose content recurs"
            ] if any(counts) else []

"""Run of the error against û* on a context's model."""

from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.error.measure import measure, summarise
from fmdiag.diagnostics.error.reading import checked_heads
from fmdiag.results import Result


def run(context, parameters):
    """Return the Result, with what the loss says of an assumed number of attention heads."""
    table = measure(context.field, context.training_set, times=parameters.times, n_pairs=parameters.n_pairs,
                    generator=context.generator(), **surroundings(context), **shown(context, "error"))
    facts, cautions = checked_heads(context)
    described = {"n_pairs": parameters.n_pairs, "n_times": int(table["t"].nunique())}
    return Result("error", table, summarise(table), described, facts=facts, cautions=cautions)

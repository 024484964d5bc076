"""Run of canaries: which of the planted images come back among the samples."""

from fmdiag.datasets.canaries import load_canaries
from fmdiag.diagnostics.canaries.measure import measure, summarise
from fmdiag.diagnostics.points.judged import judged_samples
from fmdiag.results import Result


def run(context, parameters):
    """Return the Result."""
    planted = load_canaries(parameters.folder, context.training_set)
    samples, drawn = judged_samples(context, parameters)
    table = context.group.once(lambda: measure(samples, context.training_set, canaries=planted, path=context.path,
                                               device=context.device, field=context.field,
                                               generator=context.generator()))
    return Result("canaries", table, summarise(table, parameters.delta),
                  {"folder": str(parameters.folder), "n_canaries": len(table), "n_samples": drawn["n_samples"],
                   "delta": parameters.delta})

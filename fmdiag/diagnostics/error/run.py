"""Run of the error against û* on a context's model."""

import warnings

from fmdiag.checkpoints import other_heads
from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.error import heads
from fmdiag.diagnostics.error.measure import measure, summarise
from fmdiag.errors import FmdiagWarning
from fmdiag.results import Result


def run(context, parameters):
    """Return the Result, with what the loss says of an assumed number of attention heads."""
    table = measure(context.field, context.training_set, times=parameters.times, n_pairs=parameters.n_pairs,
                    generator=context.generator(), **surroundings(context), **shown(context, "error"))
    recorded = {"n_pairs": parameters.n_pairs, "n_times": int(table["t"].nunique())}
    return Result("error", table, summarise(table), recorded, facts=_of_heads(context))


def _of_heads(context):
    """Return how much an assumed number of attention heads matters; warn of a better one."""
    checkpoint = context.checkpoint
    if checkpoint is None or not (checkpoint.description.get("reading") or {}).get("settled", True):
        return {}  # under a wrong reading, losses say nothing about heads
    others = other_heads(context.reloaded, checkpoint, heads.CANDIDATES)
    if not others:
        return {}
    found = heads.losses({"assumed": context.field, **others}, context.training_set, path=context.path,
                         generator=context.generator())
    text, wrong = heads.sentence(found)
    if wrong:
        warnings.warn(f"assumed-heads: {text}", FmdiagWarning, stacklevel=2)
    return {"heads": text}

"""Run of the error against û* on a context's model."""

import warnings

import pandas as pd

from fmdiag.checkpoints import other_heads
from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.error import classes, heads
from fmdiag.diagnostics.error.measure import measure, summarise
from fmdiag.diagnostics.error.states import NO_HELD_OUT
from fmdiag.errors import FmdiagWarning, printable
from fmdiag.results import Result
from fmdiag.stats import row


def run(context, parameters):
    """Return the Result, with what the loss says of an assumed number of attention heads."""
    solver = {"n_steps": parameters.n_steps, "method": parameters.method}
    table = measure(context.field, context.training_set, states=parameters.states, times=parameters.times,
                    n_pairs=parameters.n_pairs, n_steps=parameters.n_steps, method=parameters.method,
                    generator=context.generator(), **surroundings(context), **shown(context, "error"))
    kinds = list(dict.fromkeys(table["states"]))
    recorded = {"n_pairs": parameters.n_pairs, "n_times": len(set(table["t"])), "states": kinds, **solver}
    remark = table.attrs.get("diverged")
    return Result("error", table, _told(summarise(table), kinds, context.training_set), recorded,
                  classes.measure(table, context.training_set), facts=_of_heads(context),
                  cautions=[remark] if remark else [])


def _told(summary, kinds, training_set):
    """Return the summary, with a row that says why there are no held-out states where there are none."""
    if "heldout" in kinds or training_set.unseen is not None:
        return summary
    missing = row("error", "not_measured", float("nan"), n=0, states="heldout")
    note = printable(NO_HELD_OUT.format(name=training_set.name))
    return pd.concat([summary, pd.DataFrame([missing | {"note": note}])], ignore_index=True)


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

"""Run of the alignment of û* on a context's training set, at every image side that is asked for."""

import pandas as pd

from fmdiag.datasets import subsample
from fmdiag.diagnostics.alignment.measure import measure, summarise
from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.results import Result


def run(context, parameters):
    """Return the Result; without sides, that of the training set as it is."""
    tables = [_at(context, parameters, side) for side in sorted(set(parameters.sizes or ())) or [None]]
    table = pd.concat(tables, ignore_index=True)
    return Result("alignment", table, summarise(table), {
        "n_pairs": parameters.n_pairs, "n_times": int(table["t"].nunique()),
        "sides": list(parameters.sizes or ()) or None})


def _at(context, parameters, side):
    data = context.training_set if side is None else subsample(context.training_set, side)
    label = "alignment" if side is None else f"alignment at {side} px"
    return measure(data, times=parameters.times, n_pairs=parameters.n_pairs, generator=context.generator(),
                   **surroundings(context), **shown(context, label))

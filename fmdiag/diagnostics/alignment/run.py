"""Run of the alignment of û* on a context's training set, at every image side that is asked for."""

import pandas as pd

from fmdiag.datasets import subsample
from fmdiag.diagnostics.alignment import fresh
from fmdiag.diagnostics.alignment.measure import NAME, measure, summarise
from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.results import Result


def run(context, parameters):
    """Return the Result, with its table of fresh paths; without sides, that of the training set as it is."""
    tables = [_at(context, parameters, side) for side in sorted(set(parameters.sizes or ())) or [None]]
    table, paths = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    marks = fresh.summarise(NAME, paths, table)
    sides = marks["dim"].map(table.groupby("dim")["image_size"].first())
    summary = pd.concat([summarise(table), marks.assign(image_size=sides)], ignore_index=True)
    return Result(NAME, table, summary, {
        "n_pairs": parameters.n_pairs, "n_fresh": parameters.n_fresh, "n_times": int(table["t"].nunique()),
        "sides": list(parameters.sizes or ()) or None}, {"alignment_fresh": paths})


def _at(context, parameters, side):
    data = context.training_set if side is None else subsample(context.training_set, side)
    label = "alignment" if side is None else f"alignment at {side} px"
    around = surroundings(context)
    table = measure(data, times=parameters.times, n_pairs=parameters.n_pairs, generator=context.generator(),
                    **around, **shown(context, label))
    around.pop("memory")
    paths = fresh.measure(data, times=sorted(table["t"].unique()), n_paths=parameters.n_fresh,
                          generator=context.generator(), **around, **shown(context, f"{label}, fresh paths"))
    return table, paths

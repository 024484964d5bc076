"""Run of the membership test on a context's model: scores per time, excess alignment, energy of paths."""

import pandas as pd

from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.membership import energy, excess_alignment, measure
from fmdiag.results import Result


def run(context, parameters):
    """Return the Result; tables membership, excess and energy, summarised together."""
    field, rows, around = context.field, context.training_set, surroundings(context)
    images = {"times": parameters.times, "n_images": parameters.n_images, "n_noises": parameters.n_noises, **around}
    solver = {"n_steps": parameters.n_steps, "method": parameters.method}
    table = measure.measure(field, rows, generator=context.generator(), **images, **shown(context, "membership"))
    excess = excess_alignment.measure(field, rows, generator=context.generator(), **images,
                                      **shown(context, "membership"))
    paths = energy.measure(field, rows, n_samples=parameters.n_paths, generator=context.generator(), **solver, **around)
    summary = pd.concat([measure.summarise(table), excess_alignment.summarise(excess), energy.summarise(paths)],
                        ignore_index=True)
    return Result("membership", table, summary, {
        "n_images": int(table["pair"].nunique()), "n_noises": parameters.n_noises, "n_times": int(table["t"].nunique()),
        "n_paths": parameters.n_paths, **solver}, {"excess": excess, "energy": paths},
        {"membership": measure.curves(table)})

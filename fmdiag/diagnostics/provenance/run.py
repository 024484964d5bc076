"""Run of provenance on a context's model: posterior weights along trajectories, basins, and the copied examples."""

import pandas as pd

from fmdiag.diagnostics.context import surroundings
from fmdiag.diagnostics.memorization import copied
from fmdiag.diagnostics.memorization import measure as memorization
from fmdiag.diagnostics.provenance import basins, measure
from fmdiag.fields import ClosedFormField
from fmdiag.results import Result
from fmdiag.sampling import closed_form_samples, draw_noise


def run(context, parameters):
    """Return the Result; tables provenance, basins, masses and copied.

    The samples of the table provenance are those that are shown; the summary's top_weight is of the first n_samples of
    the seed, which are drawn at random whatever is shown.
    """
    numbers = list(parameters.sample_numbers or range(8))
    n_noises = max(parameters.n_noises, max(numbers) + 1)
    solver = {"n_steps": parameters.n_steps, "method": parameters.method}
    around, rows = {**solver, **surroundings(context)}, context.training_set
    table = measure.measure(context.field, rows, samples=numbers, n_rows=parameters.top_rows,
                            generator=context.generator(), **around)
    at_random = measure.measure(context.field, rows, samples=parameters.n_samples, n_rows=parameters.top_rows,
                                generator=context.generator(), **around)
    drawn = context.samples(n_noises, **solver)
    reached = basins.measure(context.field, rows, samples=drawn, generator=context.generator(), **around)
    ranking = copied.measure(_nearest(context, drawn), rows)
    arrays = {**measure.pictures(table, _ends(context, drawn, numbers, parameters.n_steps), rows,
                                 decoder=context.decoder),
              **copied.pictures(ranking, rows, decoder=context.decoder)}
    return Result(
        "provenance", table, pd.concat([basins.summarise(reached), measure.summarise(at_random)], ignore_index=True),
        {"samples": numbers, "n_samples": parameters.n_samples, "top_rows": parameters.top_rows, "n_noises": n_noises,
         **solver},
        {"basins": reached, "masses": basins.masses(reached), "copied": ranking}, {"provenance": arrays})


def _nearest(context, drawn):
    return memorization.measure(drawn, context.training_set, closed_form=False, device=context.device,
                                group=context.group, generator=context.generator())


def _ends(context, drawn, numbers, n_steps):
    """Return where the followed trajectories end, of the model and of û*."""
    noise = draw_noise(len(drawn), context.training_set.shape, generator=context.generator())[numbers]
    u_star = ClosedFormField(context.training_set, context.path, memory=context.memory, device=context.device)
    return {"model": drawn[numbers], "closed_form": closed_form_samples(u_star, noise, n_steps)}

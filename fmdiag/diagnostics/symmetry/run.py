"""Run of symmetry breaking on a context's model."""

from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.symmetry.measure import NAME, measure, summarise
from fmdiag.results import Result


def run(context, parameters):
    """Return the Result; run.json says how the model's derivatives were made."""
    solver = {"n_steps": parameters.n_steps, "method": parameters.method}
    table = measure(context.network, context.training_set, times=parameters.times, n_noises=parameters.n_noises,
                    generator=context.generator(), **solver, **surroundings(context), **shown(context, NAME))
    derivative = table.loc[table["field"] == "model", "derivative"].iloc[-1]
    return Result(NAME, table, summarise(table), {
        "n_noises": parameters.n_noises, "n_times": int(table["t"].nunique()), "derivative": derivative, **solver})

"""Run of the hybrid model on a context: û* until tau, the model afterwards."""

import pandas as pd

from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.hybrid import flow_distance
from fmdiag.diagnostics.hybrid.measure import pictures, sample_hybrids, summarise, tabulate
from fmdiag.diagnostics.points.flow_distance import summarise as summarise_distances
from fmdiag.diagnostics.spaces import described
from fmdiag.fields import beside, recorded_beside
from fmdiag.results import Result
from fmdiag.sampling import draw_noise


def run(context, parameters):
    """Return the Result with its strips of pictures."""
    features, plan = context.spaces(parameters)
    taus = sorted({tau for grid in parameters.taus for tau in grid}) or None
    asked = {"taus": taus, **{name: getattr(parameters, name) for name in ("n_samples", "n_steps", "method")}}
    samples = sample_hybrids(
        context.field, context.training_set, **asked, generator=context.generator(), **surroundings(context),
        keep=lambda name, compute: context.kept("hybrid samples", {"of": name, **asked}, compute),
        **shown(context, "hybrid"))
    table = tabulate(samples, context.training_set, feature=features, plan=plan, device=context.device,
                     group=context.group)
    strips = pictures(samples, table, context.training_set, decoder=context.decoder)
    noise = draw_noise(parameters.n_samples, context.training_set.shape, generator=context.generator())
    _, n_steps = beside(parameters.n_steps, context.field)
    apart = flow_distance.measure(samples, noise, context.training_set, features=features, n_steps=n_steps,
                                  cache=plan.cache, **surroundings(context))
    summary = [summarise(table), *([] if apart is None else [summarise_distances("hybrid", apart)])]
    recorded = {**asked, **recorded_beside(parameters.n_steps, n_steps), "taus": list(samples),
                **described(features, parameters)}
    return Result("hybrid", table, pd.concat(summary, ignore_index=True), recorded,
                  {} if apart is None else {"hybrid_pfd": apart}, {"hybrid": strips})

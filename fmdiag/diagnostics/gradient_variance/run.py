"""Run of the gradient variance of a context's network."""

import torch

from fmdiag.diagnostics.context import shown
from fmdiag.diagnostics.gradient_variance.couplings import load_pairs
from fmdiag.diagnostics.gradient_variance.measure import measure, summarise
from fmdiag.diagnostics.gradient_variance.per_sample import NoGradient
from fmdiag.results import Result


def applies(context, parameters):
    """Return whether the field is that of a network with parameters that gradients reach."""
    module = getattr(context.field, "module", context.field)
    if not isinstance(module, torch.nn.Module) or not any(p.is_floating_point() for p in module.parameters()):
        return False
    try:
        measure(context.field, context.training_set, times=[0.5], n_samples=2, method="loop",
                generator=torch.Generator().manual_seed(0))
    except NoGradient:
        return False
    return True


def run(context, parameters):
    """Return the Result."""
    fixed = None if parameters.pairs is None else load_pairs(parameters.pairs, context.training_set.shape)
    names = ("sigma", "noise", "target", "points", "layers", "angle", "n_samples", "times", "n_steps")
    table = measure(context.field, context.training_set, coupling=parameters.pairing if fixed is None else "fixed",
                    batch=parameters.ot_batch, pairs=fixed, generator=context.generator(),
                    **{name: getattr(parameters, name) for name in names}, **shown(context, "gradient-variance"))
    return Result("gradient-variance", table, summarise(table), {
        "n_samples": int(table["sample"].nunique()), "n_parameters": int(table["n_parameters"].iloc[0]),
        "coupling": table["coupling"].iloc[0], "sigma": parameters.sigma, "noise": parameters.noise,
        "target": parameters.target, "points": parameters.points, "layers": list(parameters.layers) or None,
        "n_times": int(table["t"].nunique())})

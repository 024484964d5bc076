"""Run of the gradient variance of a context's network."""

import numpy as np
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.context import shown
from fmdiag.diagnostics.gradient_variance import gaussian
from fmdiag.diagnostics.gradient_variance.couplings import load_pairs
from fmdiag.diagnostics.gradient_variance.measure import measure, summarise
from fmdiag.diagnostics.gradient_variance.per_sample import NoGradient
from fmdiag.errors import FmdiagError
from fmdiag.results import Result
from fmdiag.training.interpolants import Interpolant

N_GAUSSIAN_EXAMPLES = 1000


def applies(context, parameters):
    """Return whether the field is that of a network with parameters that gradients reach."""
    module = getattr(context.network, "module", context.network)
    if not isinstance(module, torch.nn.Module) or not any(p.is_floating_point() for p in module.parameters()):
        return False
    try:
        measure(context.network, context.training_set, times=[0.5], n_samples=2, method="loop",
                generator=torch.Generator().manual_seed(0))
    except NoGradient:
        return False
    return True


def data(parameters, seed):
    """Return examples of the second Gaussian where only Gaussians are measured; else None."""
    if not parameters.gaussian:
        return None
    mean = _mean(parameters)
    drawn = np.random.default_rng(0).standard_normal((N_GAUSSIAN_EXAMPLES, len(mean)))
    return TrainingSet((drawn * np.sqrt(parameters.covariance) + mean).astype(np.float32), name="gaussian pair")


def run(context, parameters):
    """Return the Result, of the context's network or of the fields between two Gaussians."""
    if parameters.gaussian:
        return _between_gaussians(context, parameters)
    _check(context, parameters)
    fixed = None if parameters.pairs is None else load_pairs(parameters.pairs, context.training_set.shape)
    names = ("sigma", "noise", "target", "points", "layers", "angle", "n_samples", "times", "n_steps")
    table = measure(context.network, context.training_set, coupling=parameters.pairing if fixed is None else "fixed",
                    batch=parameters.ot_batch, pairs=fixed, group=context.group, generator=context.generator(),
                    **{name: getattr(parameters, name) for name in names}, **shown(context, "gradient-variance"))
    return Result("gradient-variance", table, summarise(table), {
        "n_samples": int(table["sample"].nunique()), "n_parameters": int(table["n_parameters"].iloc[0]),
        "coupling": table["coupling"].iloc[0], "sigma": parameters.sigma, "noise": parameters.noise,
        "target": parameters.target, "points": parameters.points, "layers": list(parameters.layers) or None,
        "n_times": int(table["t"].nunique())})


def _check(context, parameters):
    """Refuse values that no data could make right."""
    if context.network is None:
        raise FmdiagError("gradient-variance needs a checkpoint or a network, or --gaussian for the closed-form fields "
                          "between Gaussians")
    interpolant = Interpolant(parameters.sigma, parameters.noise)
    if parameters.times is not None:
        interpolant.check_times(parameters.times, parameters.target)
    if parameters.pairing == "fixed" and parameters.pairs is None:
        raise FmdiagError("--pairing fixed needs --pairs FILE, an .npz with arrays x0 and x1")


def _mean(parameters):
    mean = parameters.mean or (0.0,) * len(parameters.covariance)
    if len(mean) != len(parameters.covariance):
        raise FmdiagError(f"--mean has {len(mean)} numbers, --covariance {len(parameters.covariance)}: give as many of "
                          "each")
    return mean


def _between_gaussians(context, parameters):
    mean = _mean(parameters)
    target = (torch.tensor(mean, dtype=torch.float64), torch.diag(torch.tensor(parameters.covariance,
                                                                               dtype=torch.float64)))
    choices = {name: getattr(parameters, name) for name in ("angles", "sigmas", "noise")}
    table = gaussian.measure(*target, **choices, n_samples=parameters.n_gaussian, generator=context.generator(),
                             **shown(context, "gradient-variance"))
    recorded = {"mean": list(mean), "covariance": list(parameters.covariance), "angles": list(parameters.angles),
                "sigmas": list(parameters.sigmas), "n_samples": parameters.n_gaussian, "noise": parameters.noise}
    return Result("gradient-variance", table, gaussian.summarise(table, *target, **choices), recorded,
                  {"gradient-variance-curves": gaussian.curves(*target, **choices)})

"""The convention that a diffusers scheduler gives its network, for the schedulers and settings that were checked.

    variance preserving    x^ = sqrt(abar) x1 + sqrt(1 - abar) x0, m(x^, step) by prediction_type
    flow matching          x^ = (1 - sigma) x1 + sigma x0, m(x^, 1000 sigma) = d x^ / d sigma

Settings of how a sampler walks (spacing, offset, order, shift, karras, beta and exponential sigmas, the last sigma)
leave the network's meaning as it is; those that change it (betas, prediction_type, invert_sigmas, use_flow_sigmas,
timestep_type) are honored or refused. A scheduler that is not listed here is refused by its name.

References
----------
Salimans and Ho, arXiv 2202.00512 (v_prediction). Esser et al., arXiv 2403.03206 (flow match).
"""

import inspect
import reprlib

import torch

from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.schedules import DiscreteSchedule, PathSchedule
from fmdiag.errors import FmdiagError
from fmdiag.paths import LinearPath

PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "sample": "x1"}
FLOW = "flow_prediction"
_ALL, _NO_SAMPLE = tuple(PREDICTIONS), ("epsilon", "v_prediction")
# Each with the prediction types that it takes.
VARIANCE_PRESERVING = {
    **dict.fromkeys(("DDPMScheduler", "DDIMScheduler", "DDPMParallelScheduler", "DDIMParallelScheduler",
                     "EulerDiscreteScheduler", "DEISMultistepScheduler", "SASolverScheduler"), _ALL),
    **dict.fromkeys(("DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "UniPCMultistepScheduler"),
                    (*_ALL, FLOW)),
    **dict.fromkeys(("PNDMScheduler", "EulerAncestralDiscreteScheduler", "LMSDiscreteScheduler",
                     "HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler"), _NO_SAMPLE),
}
FLOW_MATCHING = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")
MOST_STEPS = 10**6  # of a discrete schedule, which is a table of as many numbers
WAY_ON = ("give what its network was trained on by --model card.toml with a [convention]: parameterisation, and path, "
          "alphas_cumprod, or sigma_min and sigma_max")
# Networks that take t itself and return x1 - x0, and networks that take 1 - t unscaled.
FORWARD_TIME, UNSCALED_TIME = ("Lumina2Transformer2DModel", "LuminaNextDiT2DModel"), (
    "FluxTransformer2DModel", "AuraFlowTransformer2DModel")


def scheduler_convention(config, network):
    """Return the Convention of a network of class `network` under the scheduler of a configuration, a dict.

    Raises
    ------
    FmdiagError
        If the scheduler or a setting that changes the network's meaning is not among those that were checked.
    """
    name = config.get("_class_name") if isinstance(config, dict) else None
    if name in FLOW_MATCHING:
        return _flow(config, network, inverted=config.get("invert_sigmas", False))
    if name not in VARIANCE_PRESERVING:
        raise FmdiagError(f"fmdiag does not know the convention of {_shown(name)}: {WAY_ON}")
    prediction, flow = config.get("prediction_type", "epsilon"), config.get("use_flow_sigmas", False)
    if prediction not in VARIANCE_PRESERVING[name]:
        raise FmdiagError(f"prediction_type {reprlib.repr(prediction)} of {name} is not one of "
                          f"{', '.join(VARIANCE_PRESERVING[name])}: {WAY_ON}")
    if (prediction == FLOW) != bool(flow):
        raise FmdiagError(f"{name} has prediction_type {prediction} with use_flow_sigmas = {flow}, which do not go "
                          f"together: {WAY_ON}")
    if config.get("timestep_type", "discrete") != "discrete":
        raise FmdiagError(f"{name} has timestep_type {reprlib.repr(config['timestep_type'])}, whose times fmdiag does "
                          f"not read: {WAY_ON}")
    if flow:
        return _flow(config, network)
    return Convention(_variance_preserving(name, config), PREDICTIONS[prediction])


def ddpm_convention():
    """Return the Convention that a diffusion network without a scheduler beside it is assumed to have."""
    return Convention(_variance_preserving("DDPMScheduler", {}), "epsilon")


def flow_convention(network, steps=1000):
    """Return the Convention of a flow matching network of class `network`; its time ends at `steps`."""
    if network in FORWARD_TIME:
        return Convention(PathSchedule(LinearPath()))
    return Convention(PathSchedule(LinearPath()), "velocity", "data-to-noise",
                      1.0 if network in UNSCALED_TIME else float(steps))


def _flow(config, network, inverted=False):
    steps = _steps(config)
    if not inverted:
        return flow_convention(network, steps)
    if network in FORWARD_TIME + UNSCALED_TIME:
        raise FmdiagError(f"{config['_class_name']} has invert_sigmas beside a {network}, whose time fmdiag does not "
                          f"read then: {WAY_ON}")
    # The sampler passes 1 - sigma and integrates along it: time and sign are both those of noise to data.
    return Convention(PathSchedule(LinearPath()), "velocity", "noise-to-data", float(steps))


def _shown(name):
    return name if isinstance(name, str) else f"a scheduler named {reprlib.repr(name)}"


def _steps(config):
    steps = config.get("num_train_timesteps", 1000)
    if not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= MOST_STEPS:
        raise FmdiagError(f"num_train_timesteps of {config.get('_class_name')} is {reprlib.repr(steps)}, no number of "
                          f"steps from 1 to {MOST_STEPS}")
    return steps


def _variance_preserving(name, config):
    """Return the schedule of the betas that the scheduler's own class makes of its configuration."""
    _steps(config)
    betas = _betas(name, config).double()
    if betas.ndim != 1 or not len(betas) or not bool(((betas >= 0) & (betas <= 1)).all()):
        raise FmdiagError(f"{name} has betas that are no numbers in [0, 1]: {WAY_ON}")
    # Its own cumulative product is in float32, which is off by 1e-5 at the last step.
    abar = torch.cumprod(1 - betas, 0)
    if not bool((abar[1:] < abar[:-1]).all()) or abar[0] <= 1e-12:
        raise FmdiagError(f"{name} has betas whose noise does not grow with every step: {WAY_ON}")
    kind = "trained" if config.get("trained_betas") is not None else config.get("beta_schedule", "linear")
    return DiscreteSchedule(abar.numpy(), f"{kind} betas")


def _betas(name, config):
    import diffusers

    cls = getattr(diffusers, name)
    known = inspect.signature(cls.__init__).parameters
    try:
        return cls(**{key: value for key, value in config.items() if key in known}).betas
    except Exception as error:
        # Configurations are JSON by anybody: each kind of wrong value cannot be foreseen.
        raise FmdiagError(f"{name} cannot be built from its configuration ({' '.join(str(error).split())})") from error

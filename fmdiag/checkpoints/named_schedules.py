"""Schedules of diffusion models by name, as an option or a model card's path gives them.

    ddpm-linear   1000 betas, evenly spaced from 1e-4 to 0.02 (DDPM, DiT, guided-diffusion); ``ddpm`` for short
    ddpm-cosine   abar a squared cosine, betas at most 0.999 (improved-diffusion)
    ddpm-sigmoid  abar a logistic function from -3 to 3, betas at most 0.999 (denoising-diffusion-pytorch)
    scaled-linear square roots of betas, evenly spaced from 0.00085 to 0.012 (latent diffusion)
    edm           sigma from 0.002 to 80; edm-vp from 0.001 to 152 and edm-ve from 0.02 to 100: its two earlier ones
    ve            sigma from 0.01 to 50; the network returns the score (score_sde on CIFAR-10, whose data are in [0, 1])

The first four take another number of steps after a colon: ``ddpm-cosine:4000``. Their networks return epsilon, those of
edm x1, where nothing else is given.

References
----------
Ho et al., arXiv 2006.11239. Nichol and Dhariwal, arXiv 2102.09672, eq. 17. Jabri et al., arXiv 2212.11972, section 4.1.
Karras et al., arXiv 2206.00364, table 1. Song et al., arXiv 2011.13456, appendix C.
"""

import math

import numpy as np

from fmdiag.checkpoints.schedules import DiscreteSchedule, EDMSchedule, ddpm_schedule
from fmdiag.errors import FmdiagError

MOST_STEPS = 10**6


def _linear(steps):
    scale = 1000 / steps
    if scale * 0.02 >= 1:
        raise FmdiagError(f"ddpm-linear of {steps} steps has betas above 1: give 21 steps or more")
    return ddpm_schedule() if steps == 1000 else DiscreteSchedule(
        np.cumprod(1 - np.linspace(scale * 1e-4, scale * 0.02, steps)), "linear betas 1e-4 to 0.02")


def _scaled_linear(steps):
    return DiscreteSchedule(np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, steps) ** 2),
                            "scaled linear betas 0.00085 to 0.012")


def _capped(level, steps, name):
    """Return the schedule of betas 1 - level((k + 1) / T) / level(k / T), at most 0.999."""
    abar = level(np.arange(steps + 1) / steps)
    return DiscreteSchedule(np.cumprod(1 - np.minimum(1 - abar[1:] / abar[:-1], 0.999)), name)


def _cosine(steps):
    return _capped(lambda s: np.cos((s + 0.008) / 1.008 * math.pi / 2) ** 2, steps, "cosine betas")


def _sigmoid(steps):
    def level(s):
        low, high, along = (1 / (1 + np.exp(-z)) for z in (-3.0, 3.0, 6 * s - 3))
        return (high - along) / (high - low)

    return _capped(level, steps, "sigmoid betas")


def _vp_sigma(s):
    """Return sigma of EDM's VP at time s: beta from 0.1 to 20."""
    return math.sqrt(math.expm1(0.5 * 19.9 * s**2 + 0.1 * s))


DISCRETE = {"ddpm": _linear, "ddpm-linear": _linear, "ddpm-cosine": _cosine, "ddpm-sigmoid": _sigmoid,
            "scaled-linear": _scaled_linear}
CONTINUOUS = {"edm": EDMSchedule(), "edm-vp": EDMSchedule(_vp_sigma(1e-5), _vp_sigma(1.0)),
              "edm-ve": EDMSchedule(0.02, 100.0), "ve": EDMSchedule(0.01, 50.0)}
NAMES = (*DISCRETE, *CONTINUOUS)
# Asked for in the search for a better reading: those of sigma differ only in how far they reach.
DISTINCT = ("ddpm", "ddpm-cosine", "scaled-linear", "edm")


def named_schedule(name):
    """Return the schedule of a name, None where it is no diffusion schedule's.

    Raises
    ------
    FmdiagError
        If the number of steps is none.
    """
    base, colon, steps = name.partition(":")
    if name in CONTINUOUS:
        return CONTINUOUS[name]
    if base not in DISCRETE:
        return None
    if colon and not (steps.isdigit() and 2 <= int(steps) <= MOST_STEPS):
        raise FmdiagError(f"schedule {name!r}: give a whole number of steps after the colon, e.g. {base}:1000")
    return DISCRETE[base](int(steps) if colon else 1000)


def name_of(schedule):
    """Return the name that gives a schedule, None where none does."""
    if not isinstance(schedule, DiscreteSchedule):
        return next((name for name, named in CONTINUOUS.items() if named == schedule), None)
    steps = len(schedule.abar)
    for name, make in DISCRETE.items():
        if steps > 21 and np.allclose(make(steps).abar, schedule.abar, rtol=1e-9, atol=0):
            return name if steps == 1000 else f"{name}:{steps}"
    return None


def usual_output(name):
    """Return what networks of a named schedule return."""
    return "score" if name == "ve" else "x1" if name in CONTINUOUS else "epsilon"

"""Exact flow map of N(0, S^2): x_r = g(r) / g(t) x_t, g(t)^2 = (1 - t)^2 + S^2 t^2, as a mean velocity of two times."""

import torch

from fmdiag.checkpoints.calls import calling
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.foreign import Foreign
from fmdiag.checkpoints.sampler import SamplerField
from fmdiag.checkpoints.schedules import PathSchedule
from fmdiag.paths import LinearPath

S = 0.5


def g(t):
    return ((1 - t) ** 2 + S**2 * t**2) ** 0.5


class Map(torch.nn.Module):
    def forward(self, x, t, r):
        return x * ((g(r) / g(t) - 1) / (r - t))[:, None, None, None]


def flow_map(n_steps):
    """Return (sampler, its exact end from a state at t)."""
    foreign = Foreign("module", Map(), calling("x, t, r"), Convention(PathSchedule(LinearPath())))
    return SamplerField(foreign, takes="x, t, r", most_steps=n_steps), lambda x, t: S / g(t) * x

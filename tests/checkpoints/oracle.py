"""The exact posterior mean over a few points, answered in the convention of each foreign family.

Written from the families' own definitions and independently of fmdiag: alpha and sigma as functions of the time that
the family passes, the softmax over points by hand, everything in float64.
"""

import math

import numpy as np
import torch
from torch import nn

SHAPE = (3, 8, 8)


def points(seed=0, n=5, scale=0.15):
    return scale * torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def linear(t):
    return t, 1 - t, torch.ones_like(t), -torch.ones_like(t)


def cosine(t):
    half = math.pi / 2
    return torch.sin(half * t), torch.cos(half * t), half * torch.cos(half * t), -half * torch.sin(half * t)


def vp(t):
    """beta from 0.1 to 20 along 1 - t."""
    s = 1 - t
    integral, beta = 0.05 * s + 0.0 + (19.9 / 4) * s**2, 0.1 + 19.9 * s
    alpha = torch.exp(-integral)
    sigma = torch.sqrt(1 - alpha**2)
    return alpha, sigma, beta * alpha / 2, -(alpha**2) * beta / (2 * sigma)


def betas(kind):
    if kind == "linear":
        return np.linspace(1e-4, 0.02, 1000)
    return np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2


def discrete(kind):
    abar = torch.from_numpy(np.cumprod(1 - betas(kind)))

    def schedule(step):
        if step.is_floating_point():
            return between(abar, step)
        return abar[step].sqrt(), (1 - abar[step]).sqrt(), None, None

    return schedule


def between(abar, step):
    """Between whole steps log(alpha / sigma) is linear."""
    assert not bool((step == step.round()).all()), "whole steps must come as integers"
    ratio = 0.5 * (abar.log() - torch.log1p(-abar)).numpy()
    ratio = torch.from_numpy(np.exp(np.interp(step.numpy(), np.arange(len(ratio)), ratio)))
    n = (1 + ratio**2).sqrt()
    return ratio / n, 1 / n, None, None


def edm(sigma):
    return torch.ones_like(sigma), sigma, None, None


# The time that each family passes, as the argument of its schedule.
SCHEDULES = {
    "linear": linear, "cosine": cosine, "vp": vp, "ddpm": discrete("linear"), "scaled": discrete("scaled"), "edm": edm,
    "999": lambda t: linear(t / 999), "sigma1000": lambda t: backward(linear, t / 1000), "backward": lambda t: backward(
        linear, t), "backward cosine": lambda t: backward(cosine, t),
    "vp999": lambda t: vp(1 - t / 999),
}


def backward(schedule, s):
    alpha, sigma, d_alpha, d_sigma = schedule(1 - s)
    return alpha, sigma, -d_alpha, -d_sigma


def answer(rows, x, time, schedule, output):
    """Return what an ideal network returns: x and rows of shape (b, *shape) and (n, *shape)."""
    x, rows = x.double(), rows.double()
    time = time.double() if time.is_floating_point() else time
    time = time.expand(len(x)) if time.ndim == 0 else time
    alpha, sigma, d_alpha, d_sigma = (None if v is None else v.reshape(-1, *[1] * (x.ndim - 1))
                                      for v in SCHEDULES[schedule](time))
    distances = (x[:, None] - alpha[:, None] * rows[None]).flatten(2).square().sum(2)
    weights = torch.softmax(-distances / (2 * sigma.flatten()[:, None] ** 2), dim=1)
    mean = (weights @ rows.flatten(1)).reshape(x.shape)
    noise = (x - alpha * mean) / sigma
    if output == "velocity":
        return d_alpha * mean + d_sigma * noise
    if output == "epsilon+variance":
        return torch.cat([noise, torch.full_like(noise, 7.0)], dim=1)
    return {"epsilon": noise, "x1": mean, "score": -noise / sigma, "v": alpha * noise - sigma * mean}[output]


class Network(nn.Module):
    """The ideal network over its parameter `points`; `order` is that of its arguments, dropout would spoil it.

    With order ``"xrt"`` it has a second time r before t, as MeanFlow's, and its velocity where they are equal.
    """

    def __init__(self, schedule="linear", output="velocity", order="xt", n=5):
        super().__init__()
        self.points = nn.Parameter(torch.zeros(n, *SHAPE))
        self.dropout = nn.Dropout(0.5)
        self.schedule, self.output, self.order = schedule, output, order

    def forward(self, first, second, labels=None):
        x, t = (second, first) if self.order == "tx" else (first, labels if self.order == "xrt" else second)
        assert self.order != "xrt" or torch.equal(second, labels), "a velocity has both times equal"
        return self.dropout(answer(self.points.detach(), x, t, self.schedule, self.output))


class EDMNetwork(Network):
    """The interface of EDM's preconditioned networks."""

    sigma_min, sigma_max, label_dim, img_channels, img_resolution = 0.0, math.inf, 0, 3, 8


def build(**arguments):
    return Network(**arguments)

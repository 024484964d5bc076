"""A residual MLP velocity field for vectors, and for images small enough to flatten.

    h = W_in x + e(t),      h <- h + W2 silu(W1 silu(norm(h)) + P e(t))   (`depth` times),      v = W_out norm(h)

with e(t) an embedding of sines and cosines of t. The last layer starts at zero: the field starts at v = 0.

The velocity holds the noise, all d coordinates of it: a network with fewer than d hidden units cannot pass it on and
stays at an error of about 1 - width / d at every t. With `skip`, v gains g(t) x, g linear in e(t): it is then left
to learn the D of û* = (D - x) / (1 - t), which lies where the data lie.
"""

import math

import torch
from torch import nn

from fmdiag.errors import FmdiagError

TIME_FEATURES = 128
MAX_TIME_FREQUENCY = 1000.0
ROWS_OF_ONE_TIME = 16   # as which one time is embedded: products of fewer rows may round otherwise than those of many


class ResidualMLP(nn.Module):
    """Residual multilayer perceptron v(x, t).

    Parameters
    ----------
    shape : sequence of int
        Shape of one sample; it is flattened.
    width : int
        Number of hidden units of every layer, at least 1.
    depth : int
        Number of residual blocks (two linear layers each), 1 to 256.
    skip : bool
        Whether v gains g(t) x; for widths below the number of coordinates.

    Raises
    ------
    FmdiagError
        If width or depth is out of range.
    """

    broadcasts_time = True   # one time of all samples may be given as one: it is embedded once

    def __init__(self, shape, width=512, depth=4, skip=False):
        super().__init__()
        if not (1 <= width <= 65536 and 1 <= depth <= 256):
            raise FmdiagError(f"mlp needs width in [1, 65536] and depth in [1, 256], got {width} and {depth}")
        dim = math.prod(shape)
        self.time = nn.Sequential(nn.Linear(TIME_FEATURES, width), nn.SiLU(), nn.Linear(width, width))
        self.enter = nn.Linear(dim, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim))
        nn.init.zeros_(self.leave[1].weight)
        nn.init.zeros_(self.leave[1].bias)
        self.gate = nn.Linear(width, 1) if skip else None
        if skip:
            nn.init.zeros_(self.gate.weight)
            nn.init.zeros_(self.gate.bias)

    def forward(self, x, t):
        """Return the velocity at x, shape (b, *shape), and times t, shape (b,) or (1,) for one of all, in [0, 1]."""
        flat, n = x.flatten(1), len(t)
        embedded = self.time(time_features(t if n == len(x) else t.expand(min(len(x), ROWS_OF_ONE_TIME))))
        h = self.enter(flat) + embedded[:n]
        for block in self.blocks:
            h = block(h, block.time(embedded)[:n])
        velocity = self.leave(h) if self.gate is None else self.leave(h) + self.gate(embedded)[:n] * flat
        return velocity.reshape(x.shape)


class _Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.time = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, h, shift):
        inner = self.first(nn.functional.silu(self.norm(h))) + shift
        return h + self.second(nn.functional.silu(inner))


def time_features(t):
    """Return cosines and sines of t at frequencies from 1 to 1000 rad, evenly spaced in logarithm.

    Parameters
    ----------
    t : Tensor, shape (b,)
        Times in [0, 1].

    Returns
    -------
    Tensor, shape (b, 128)
        Computed, not stored: a checkpoint holds trained weights and nothing else.
    """
    exponents = torch.linspace(0, math.log(MAX_TIME_FREQUENCY), TIME_FEATURES // 2, device=t.device, dtype=t.dtype)
    angles = t[:, None] * exponents.exp()
    return torch.cat([angles.cos(), angles.sin()], dim=1)

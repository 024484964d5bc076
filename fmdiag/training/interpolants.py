"""Interpolants: the point between x0 and x1 at which a field is regressed, and its target.

    x_t = (1 - t) x0 + t x1 + gamma(t) z,      z ~ N(0, I),
    gamma = 0 (deterministic),   gamma = sigma (constant),   gamma = sigma sqrt(t (1 - t)) (bridge).

Targets: velocity x1 - x0 + gamma'(t) z; forward (x1 - x_t) / (1 - t); backward (x0 - x_t) / t, which points from data
to noise. Without noise on the path itself, forward is the velocity and backward its negative.

References
----------
Reu et al., "Gradient Variance Reveals Failure Modes in Flow-Based Generative Models", arXiv 2510.18118.
"""

import math
from dataclasses import dataclass

import torch

from fmdiag.errors import FmdiagError, check_choice
from fmdiag.paths import expand, times_like

NOISES = ("constant", "bridge")
TARGETS = ("velocity", "forward", "backward")


@dataclass(frozen=True)
class Interpolant:
    """A straight path with noise on it.

    Parameters
    ----------
    sigma : float
        Scale of the noise, 0 or more.
    noise : str
        ``"constant"`` or ``"bridge"``.

    Raises
    ------
    FmdiagError
        If sigma is negative or not finite, or the noise is unknown.
    """

    sigma: float = 0.0
    noise: str = "constant"

    def __post_init__(self):
        """Check both."""
        check_choice("noise", self.noise, NOISES)
        if not (self.sigma >= 0 and math.isfinite(self.sigma)):
            raise FmdiagError(f"sigma must be 0 or more and finite, got {self.sigma}")

    def gamma(self, t):
        """Return gamma(t); `t` a float64 tensor."""
        return torch.full_like(t, self.sigma) if self.noise == "constant" else self.sigma * (t * (1 - t)).sqrt()

    def d_gamma(self, t):
        """Return gamma'(t), infinite at the ends of a bridge; 0 without noise."""
        if self.noise == "constant" or self.sigma == 0:
            return torch.zeros_like(t)
        return self.sigma * (1 - 2 * t) / (2 * (t * (1 - t)).sqrt())

    def point(self, x0, x1, t, z):
        """Return x_t, in the dtype of x1.

        Parameters
        ----------
        x0, x1, z : Tensor, shape (b, *shape)
            Noise, data, and the noise on the path.
        t : float or Tensor, shape (b,)
            Times in [0, 1].
        """
        t = times_like(t, x1)
        return expand(1 - t, x1) * x0 + expand(t, x1) * x1 + expand(self.gamma(t), x1) * z

    def target(self, kind, x0, x1, xt, t, z):
        """Return what the network should return at `xt`.

        Parameters
        ----------
        kind : str
            One of `TARGETS`.
        x0, x1, xt, z : Tensor, shape (b, *shape)
            As in `point`; `xt` may be any point.
        t : float or Tensor, shape (b,)
            Times; see `check_times` for where the target is infinite.
        """
        t = times_like(t, x1)
        if kind == "forward":
            return (x1 - xt) / expand(1 - t, x1)
        if kind == "backward":
            return (x0 - xt) / expand(t, x1)
        slope = self.d_gamma(t)
        return x1 - x0 + expand(slope, x1) * z if bool((slope != 0).any()) else x1 - x0

    def check_times(self, times, kind):
        """Return the times as a list of floats; raise FmdiagError where the target of this kind is infinite."""
        check_choice("target", kind, TARGETS)
        times, bridge = [float(t) for t in times], self.noise == "bridge" and self.sigma > 0
        low_open = kind == "backward" or (bridge and kind == "velocity")
        high_open = kind == "forward" or (bridge and kind == "velocity")
        inside = [(0 < t if low_open else 0 <= t) and (t < 1 if high_open else t <= 1) for t in times]
        if not times or not all(inside):
            span = f"{'(' if low_open else '['}0, 1{')' if high_open else ']'}"
            raise FmdiagError(f"times of the {kind} target must be in {span}, got {times}: give other --times")
        return times

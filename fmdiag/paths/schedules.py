"""Schedules alpha and sigma of the named paths, their derivatives in closed form.

All are written so that sigma keeps its relative precision as t -> 1, where velocities divide by it.
"""

import math
from dataclasses import dataclass

import torch

from fmdiag.errors import FmdiagError
from fmdiag.paths.gaussian import GaussianPath


@dataclass(frozen=True)
class LinearPath(GaussianPath):
    """x_t = t x1 + (1 - (1 - sigma_min) t) x0; sigma_min = 0 is the straight path of arXiv 2506.03719."""

    sigma_min: float = 0.0
    name = "linear"

    def __post_init__(self):
        """Refuse a sigma_min outside [0, 1)."""
        if not 0 <= self.sigma_min < 1:
            raise FmdiagError(f"sigma_min must be in [0, 1), got {self.sigma_min}")

    def alpha(self, t):
        """Return t."""
        return t

    def sigma(self, t):
        """Return 1 - (1 - sigma_min) t, written so that nothing cancels as t -> 1."""
        return (1 - t) + self.sigma_min * t

    def d_alpha(self, t):
        """Return 1."""
        return torch.ones_like(t)

    def d_sigma(self, t):
        """Return sigma_min - 1."""
        return torch.full_like(t, self.sigma_min - 1)

    def describe(self):
        """Return the name and sigma_min."""
        return {"name": self.name, "sigma_min": self.sigma_min}


@dataclass(frozen=True)
class CosinePath(GaussianPath):
    """x_t = sin(pi t / 2) x1 + cos(pi t / 2) x0 (Albergo and Vanden-Eijnden, arXiv 2209.15571)."""

    name = "cosine"

    def alpha(self, t):
        """Return sin(pi t / 2)."""
        return torch.sin(t * (math.pi / 2))

    def sigma(self, t):
        """Return cos(pi t / 2) as sin(pi (1 - t) / 2), which is exact as t -> 1."""
        return torch.sin((1 - t) * (math.pi / 2))

    def d_alpha(self, t):
        """Return pi / 2 cos(pi t / 2)."""
        return (math.pi / 2) * self.sigma(t)

    def d_sigma(self, t):
        """Return -pi / 2 sin(pi t / 2)."""
        return -(math.pi / 2) * self.alpha(t)


@dataclass(frozen=True)
class VPPath(GaussianPath):
    """Variance-preserving path with a linear beta schedule, run from noise to data.

    With T(s) = s^2 (beta_max - beta_min) / 2 + s beta_min at s = 1 - t: alpha_t = exp(-T / 2), sigma_t^2 = 1 - exp(-T)
    (Song et al., arXiv 2011.13456, equation 33). At t = 0 alpha is exp(-(beta_max + beta_min) / 4), not 0.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    name = "vp"

    def _integral(self, t):
        s = 1 - t
        return s * s * (self.beta_max - self.beta_min) / 2 + s * self.beta_min

    def _beta(self, t):
        return (1 - t) * (self.beta_max - self.beta_min) + self.beta_min

    def alpha(self, t):
        """Return exp(-T / 2)."""
        return torch.exp(-self._integral(t) / 2)

    def sigma(self, t):
        """Return sqrt(1 - exp(-T)) by expm1, which is exact as t -> 1."""
        return torch.sqrt(-torch.expm1(-self._integral(t)))

    def d_alpha(self, t):
        """Return beta alpha / 2, as d T / d t = -beta."""
        return self._beta(t) * self.alpha(t) / 2

    def d_sigma(self, t):
        """Return -beta exp(-T) / (2 sigma)."""
        return -self._beta(t) * torch.exp(-self._integral(t)) / (2 * self.sigma(t))

    def describe(self):
        """Return the name and the two betas."""
        return {"name": self.name, "beta_min": self.beta_min, "beta_max": self.beta_max}


@dataclass(frozen=True)
class PolynomialPath(GaussianPath):
    """x_t = t^n x1 + (1 - t^n) x0 (flow_matching's PolynomialConvexScheduler); n = 1 is the straight path.

    It visits the points of the straight path at other times: its velocity is 0 at t = 0 for n > 1, infinite for n < 1.
    """

    n: float = 2.0
    name = "polynomial"

    def __post_init__(self):
        """Refuse an exponent that is not positive and finite."""
        if not 0 < self.n < math.inf:
            raise FmdiagError(f"the exponent of a polynomial path must be positive and finite, got {self.n}")

    def alpha(self, t):
        """Return t^n."""
        return t**self.n

    def sigma(self, t):
        """Return 1 - t^n by expm1, which is exact as t -> 1."""
        return -torch.expm1(self.n * torch.log(t))

    def d_alpha(self, t):
        """Return n t^(n-1)."""
        return self.n * t ** (self.n - 1)

    def d_sigma(self, t):
        """Return -n t^(n-1)."""
        return -self.d_alpha(t)

    def describe(self):
        """Return the name and the exponent."""
        return {"name": self.name, "n": self.n}


@dataclass(frozen=True)
class LinearVPPath(GaussianPath):
    """x_t = t x1 + sqrt(1 - t^2) x0 (flow_matching's LinearVPScheduler); sigma' is infinite at t = 1."""

    name = "linear-vp"

    def alpha(self, t):
        """Return t."""
        return t

    def sigma(self, t):
        """Return sqrt(1 - t^2) as sqrt((1 - t) (1 + t)), which is exact as t -> 1."""
        return torch.sqrt((1 - t) * (1 + t))

    def d_alpha(self, t):
        """Return 1."""
        return torch.ones_like(t)

    def d_sigma(self, t):
        """Return -t / sqrt(1 - t^2)."""
        return -t / self.sigma(t)

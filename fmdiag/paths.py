"""Which probability path leads from noise to data, and what does a network's output mean as a velocity?

Convention, fixed here for the whole package: t = 0 is noise, t = 1 is data, and

    x_t = alpha_t x1 + sigma_t x0,      x0 ~ N(0, I).

For a posterior mean D(x, t) = E[x1 | x_t = x] the marginal velocity is

    u(x, t) = alpha'_t D + (sigma'_t / sigma_t) (x - alpha_t D).

References
----------
Bertrand, Gagneux, Massias, Emonet, "On the Closed-Form of Flow Matching", arXiv 2506.03719, section 2 (linear path).
Lipman et al., "Flow Matching for Generative Modeling", arXiv 2210.02747, section 4 (general Gaussian paths).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from fmdiag.errors import FmdiagError, check_choice


class GaussianPath:
    """A Gaussian probability path given by the schedules alpha and sigma and their time derivatives.

    All four are functions of a float64 tensor of times in [0, 1] and return a float64 tensor of the same shape.
    Subclasses define them; `alpha(1) = 1` and `sigma(0) = 1` up to the path's own constants.
    """

    name = "gaussian"

    def sample(self, x0, x1, t):
        """Return x_t = alpha_t x1 + sigma_t x0 in the dtype of `x1`.

        Parameters
        ----------
        x0, x1 : Tensor, shape (b, *shape)
            Noise and data.
        t : float or Tensor, shape (b,)
            Times in [0, 1].
        """
        t = times_like(t, x1)
        return expand(self.alpha(t), x1) * x1 + expand(self.sigma(t), x1) * x0

    def conditional_velocity(self, x0, x1, t):
        """Return u_cond = alpha'_t x1 + sigma'_t x0, the regression target; shapes as in `sample`."""
        t = times_like(t, x1)
        return expand(self.d_alpha(t), x1) * x1 + expand(self.d_sigma(t), x1) * x0

    def velocity_from_mean(self, mean, x, t):
        """Return the velocity that belongs to the posterior mean D(x, t).

        Parameters
        ----------
        mean, x : Tensor, shape (b, *shape)
            Posterior mean E[x1 | x_t = x] and the point x.
        t : float or Tensor, shape (b,)
            Times with sigma_t > 0.
        """
        t = times_like(t, x)
        alpha, ratio = expand(self.alpha(t), x), expand(self.d_sigma(t) / self.sigma(t), x)
        return expand(self.d_alpha(t), x) * mean + ratio * (x - alpha * mean)

    def variance_factor(self, t):
        """Return c_t with E||u_cond - u||^2 = c_t tr Cov[x1 | x_t]; a float64 tensor of the shape of `t`.

        With x0 = (x - alpha x1) / sigma, u_cond is affine in x1 with slope alpha' - sigma' alpha / sigma; on the linear
        path c_t = 1 / (1 - t)^2.
        """
        t = torch.as_tensor(t, dtype=torch.float64)
        return (self.d_alpha(t) - self.d_sigma(t) * self.alpha(t) / self.sigma(t)) ** 2

    def describe(self):
        """Return the path as a dict that `path_from_description` reads."""
        return {"name": self.name}


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
class CustomPath(GaussianPath):
    """A user's own schedules: two differentiable torch functions of t; derivatives come from autograd."""

    alpha_fn: Callable
    sigma_fn: Callable
    name = "custom"

    def alpha(self, t):
        """Return alpha_fn(t)."""
        return self.alpha_fn(t)

    def sigma(self, t):
        """Return sigma_fn(t)."""
        return self.sigma_fn(t)

    def d_alpha(self, t):
        """Return the derivative of alpha_fn."""
        return _derivative(self.alpha_fn, t)

    def d_sigma(self, t):
        """Return the derivative of sigma_fn."""
        return _derivative(self.sigma_fn, t)


PATHS = {"linear": LinearPath, "cosine": CosinePath, "vp": VPPath}


def path_from_description(description):
    """Build a path from what `GaussianPath.describe` returned.

    Raises
    ------
    FmdiagError
        If the name is unknown or an argument does not belong to the path.
    """
    arguments = dict(description)
    name = check_choice("probability path", arguments.pop("name", None), PATHS)
    try:
        return PATHS[name](**arguments)
    except TypeError as error:
        raise FmdiagError(f"probability path {name!r} does not take {arguments}: {error}") from error


def times_like(t, x):
    """Return `t` as a float64 tensor of shape (b,) on the device of `x`; a float serves the whole batch.

    Raises
    ------
    FmdiagError
        If a time lies outside [0, 1] or the number of times is neither 1 nor b.
    """
    t = torch.as_tensor(t, dtype=torch.float64, device=x.device).reshape(-1)
    if t.numel() not in (1, x.shape[0]):
        raise FmdiagError(f"t must hold one time or one per sample ({x.shape[0]}), got {t.numel()}")
    if not bool(((t >= 0) & (t <= 1)).all()):
        raise FmdiagError(f"times must be in [0, 1], got {t.min().item()} to {t.max().item()}")
    return t.expand(x.shape[0])


def expand(values, x):
    """Return per-sample `values`, shape (b,), in the dtype of `x` and broadcastable over it."""
    return values.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))


def _derivative(function, t):
    with torch.enable_grad():
        t = t.detach().requires_grad_(True)
        value = function(t)
        if not value.requires_grad:
            return torch.zeros_like(t)
        return torch.autograd.grad(value.sum(), t)[0].detach()

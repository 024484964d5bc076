"""Schedules of other libraries: the native time at the noise level of our x_t, and the scale of the input.

A model trained on x^ = alpha x1 + sigma x0 sees the noise level of x_t = t x1 + (1-t) x0 where alpha / sigma =
t / (1-t); there x^ = (alpha + sigma) x_t. So every Gaussian path, diffusion included, becomes the straight one:

    discrete diffusion     alpha = t/n, sigma = (1-t)/n, n^2 = t^2 + (1-t)^2, abar = t^2/n^2
    EDM                    alpha = 1,   sigma = (1-t)/t

Levels that a schedule never has are *unreachable*: nothing is extrapolated there.

References
----------
Lipman et al., "Flow Matching Guide and Code", arXiv 2412.06264, section 4.8 (scale-time transformations).
"""

from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.paths import GaussianPath, LinearPath

BISECTIONS = 60
# A noise level this close to a whole step's (in the logarithm of alpha / sigma) is that step's: times travel in
# float32, and libraries accumulate abar in it.
LEVEL_ROUNDING = 5e-5


@dataclass(frozen=True)
class Position:
    """Where on a native schedule a time t lies: float64 tensors of shape (b,); derivatives are per native time."""

    time: torch.Tensor
    alpha: torch.Tensor
    sigma: torch.Tensor
    d_alpha: torch.Tensor | None = None
    d_sigma: torch.Tensor | None = None


@dataclass(frozen=True)
class PathSchedule:
    """A path of `fmdiag.paths`, run over native times in `span`, 0 = noise."""

    path: GaussianPath
    span: tuple = (0.0, 1.0)

    @property
    def reachable(self):
        """The interval of t whose noise levels the path has."""
        ends = torch.tensor(self.span, dtype=torch.float64)
        share = self.path.alpha(ends) / (self.path.alpha(ends) + self.path.sigma(ends))
        return share[0].item(), share[1].item()

    @property
    def singular_ends(self):
        """Whether the derivative along native time is 0 or infinite at either end: (first, last)."""
        ends = torch.tensor(self.span, dtype=torch.float64)
        slope = self.path.d_alpha(ends) - self.path.d_sigma(ends)
        return tuple((~slope.isfinite() | (slope == 0)).tolist())

    def at(self, t):
        """Return the Position of times t, float64, shape (b,)."""
        s = t if self.path == LinearPath() else self._matched(t)
        path = self.path
        return Position(s, path.alpha(s), path.sigma(s), path.d_alpha(s), path.d_sigma(s))

    def _matched(self, t):
        # alpha (1-t) - sigma t grows with native time and is zero where the noise levels agree.
        low, high = torch.full_like(t, self.span[0]), torch.full_like(t, self.span[1])
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            early = self.path.alpha(middle) * (1 - t) < self.path.sigma(middle) * t
            low, high = torch.where(early, middle, low), torch.where(early, high, middle)
        return (low + high) / 2

    def describe(self):
        """Return plain values for the description."""
        return self.path.describe()


class DiscreteSchedule:
    """Discrete diffusion: steps 0 (clean) ... N-1 (noise) with cumulative products abar.

    Between two steps the log signal-to-noise ratio is interpolated linearly, as samplers with fractional steps do.

    Parameters
    ----------
    alphas_cumprod : array, shape (N,)
        Decreasing, in (0, 1]; steps with abar = 0 (zero terminal SNR) carry no x1 and are unreachable.
    name : str
        Its name for the description.
    """

    def __init__(self, alphas_cumprod, name="discrete"):
        abar = np.asarray(alphas_cumprod, dtype=np.float64)
        self.abar, self.name = abar[abar > 1e-12], name
        self.log_ratio = 0.5 * (np.log(self.abar) - np.log1p(-self.abar))

    @property
    def reachable(self):
        """The interval of t between the noisiest and the cleanest step."""
        share = 1 / (1 + np.exp(-self.log_ratio))
        return float(share[-1]), float(share[0])

    def at(self, t):
        """Return the Position of times t, float64, shape (b,); its time is the step."""
        wanted = (torch.log(t) - torch.log1p(-t)).cpu().numpy()
        steps = np.arange(len(self.abar), dtype=np.float64)
        step = np.interp(wanted, self.log_ratio[::-1], steps[::-1])
        whole = np.round(step)
        step = np.where(np.abs(self.log_ratio[whole.astype(int)] - wanted) < LEVEL_ROUNDING, whole, step)
        n = (t.square() + (1 - t).square()).sqrt()
        return Position(torch.from_numpy(step).to(t.device), t / n, (1 - t) / n)

    def describe(self):
        """Return plain values for the description."""
        return {"name": self.name, "steps": len(self.abar)}

    def card(self):
        """Return the keys of a model card's [convention] that give this schedule."""
        return {"alphas_cumprod": self.abar.tolist()}


@dataclass(frozen=True)
class EDMSchedule:
    """x^ = x1 + sigma x0 with sigma in [sigma_min, sigma_max] (Karras et al., arXiv 2206.00364); its time is sigma."""

    sigma_min: float = 0.002
    sigma_max: float = 80.0

    @property
    def reachable(self):
        """The interval 1 / (1 + sigma)."""
        return 1 / (1 + self.sigma_max), 1 / (1 + self.sigma_min)

    def at(self, t):
        """Return the Position of times t, float64, shape (b,)."""
        sigma = (1 - t) / t
        return Position(sigma, torch.ones_like(t), sigma)

    def describe(self):
        """Return plain values for the description."""
        return {"name": "edm", "sigma_min": self.sigma_min, "sigma_max": self.sigma_max}

    def card(self):
        """Return the keys of a model card's [convention] that give this schedule."""
        return {"sigma_min": self.sigma_min, "sigma_max": self.sigma_max}


def ddpm_schedule():
    """Return the DiscreteSchedule of DDPM and DiT: 1000 betas, evenly spaced from 1e-4 to 0.02."""
    return DiscreteSchedule(np.cumprod(1 - np.linspace(1e-4, 0.02, 1000)), "linear betas 1e-4 to 0.02")

"""Custom path of a user's own schedules."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from fmdiag.paths.gaussian import GaussianPath


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


def _derivative(function, t):
    with torch.enable_grad():
        t = t.detach().requires_grad_(True)
        value = function(t)
        if not value.requires_grad:
            return torch.zeros_like(t)
        return torch.autograd.grad(value.sum(), t)[0].detach()

"""What a membership attack may ask: the field's velocity at any state, and the noise and image that it stands for.

With x = alpha D + sigma e and v = alpha' D + sigma' e, a velocity v at a state x says both

    e(x, t) = (alpha v - alpha' x) / w,     D(x, t) = (sigma' x - sigma v) / w,     w = alpha sigma' - alpha' sigma,

on every path with w != 0 (w = -1 on the linear one), at the clean end too. Published attacks are written in e, the
predicted noise of a diffusion model; by these two they are attacks on any flow.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from fmdiag.paths import GaussianPath

CLEAN = 0.99   # time of the clean end: sigma = .01 on the linear path, as at a diffusion model's first step


@dataclass(frozen=True)
class Asked:
    """Images of one kind, and the field that may be asked about them.

    Attributes
    ----------
    velocity : callable
        ``velocity(x, t)``, x of shape (b, *shape) and t a float, in the dtype of x.
    path : GaussianPath
        That the field was trained on.
    images : Tensor, shape (b, *shape)
        In model range.
    times : tuple of float
        In [0, 1).
    clean : float
        Time at which an image without noise is looked at.
    noised : dict of str to ndarray, shape (b, times)
        cfm_loss, first_loss and mean_error of the images with noise, as in the table of membership; reference_loss, the
        cfm_loss of a reference model, where there is one.
    sizes : ndarray, shape (b,)
        Compressed size of each image in bytes.
    """

    velocity: Callable
    path: GaussianPath
    images: torch.Tensor
    times: tuple
    clean: float = CLEAN
    noised: dict = field(default_factory=dict)
    sizes: np.ndarray | None = None

    def parts(self, x, t):
        """Return (image, noise), D(x, t) and e(x, t), that the velocity at states x at one time stands for."""
        alpha, sigma, d_alpha, d_sigma = schedules(self.path, t)
        v, w = self.velocity(x, t), alpha * d_sigma - d_alpha * sigma
        return (d_sigma * x - sigma * v) / w, (alpha * v - d_alpha * x) / w

    def noise(self, x, t):
        """Return e(x, t), shape of x."""
        return self.parts(x, t)[1]


def schedules(path, t):
    """Return alpha, sigma and their derivatives at a time, floats."""
    t = torch.tensor([t], dtype=torch.float64)
    return tuple(function(t).item() for function in (path.alpha, path.sigma, path.d_alpha, path.d_sigma))


def per_image(values):
    """Return the mean over coordinates, shape (b, *shape) to (b,)."""
    return values.flatten(1).mean(1)

"""Field of fixed pairs: the exact minimiser of the loss over n pairs (x0, x1).

    v(x, t) = sum_i w_i (x1_i - x0_i + gamma' (x - x_t^i) / gamma),      w = softmax(-||x - x_t^i||^2 / (2 gamma^2)),

x_t^i = (1 - t) x0_i + t x1_i. Without noise (gamma = 0) it is the velocity of the nearest line: its loss is 0, and
Euler steps from a training x0 stay on that line and return its own partner, as long as no step *starts* where lines
meet: an odd number of steps avoids t = 1/2. With noise, lines nearer than about gamma share their velocity. Derived.

References
----------
Reu, Dromigny, Bronstein, Vargas, "Gradient Variance Reveals Failure Modes in Flow-Based Generative Models", arXiv
2510.18118.
"""

import math

import torch

from fmdiag.errors import FmdiagError
from fmdiag.paths import times_like


class FixedPairsField:
    """The minimiser over fixed pairs; callable as v(x, t).

    Parameters
    ----------
    x0, x1 : Tensor, shape (n, *shape)
        The pairs.
    sigma : float
        Noise on the path, 0 or more.
    noise : str
        ``"constant"``, or ``"bridge"`` for sigma sqrt(t (1 - t)).
    """

    keeps_contract = True

    def __init__(self, x0, x1, sigma=0.0, noise="constant"):
        if x0.shape != x1.shape or len(x0) < 1:
            raise FmdiagError(f"pairs need x0 and x1 of one shape, got {tuple(x0.shape)} and {tuple(x1.shape)}")
        if not (sigma >= 0 and math.isfinite(sigma)):
            raise FmdiagError(f"sigma must be 0 or more and finite, got {sigma}")
        self.shape, self.sigma, self.noise = tuple(x0.shape[1:]), float(sigma), noise
        self.x0, self.x1 = x0.flatten(1).double(), x1.flatten(1).double()

    def __call__(self, x, t):
        """Return the velocity at x, shape (b, *shape), all at one time t in [0, 1] (a float or equal times)."""
        t = times_like(t, x).unique()
        if len(t) != 1:
            raise FmdiagError(f"the field of fixed pairs takes one time per call, got {len(t)}")
        t = float(t)
        flat, lines = x.flatten(1).double(), (1 - t) * self.x0 + t * self.x1
        # By differences: on its own line a point's distance must be exactly 0.
        apart = torch.cdist(flat, lines, compute_mode="donot_use_mm_for_euclid_dist").square()
        gamma = self.sigma * (math.sqrt(t * (1 - t)) if self.noise == "bridge" else 1.0)
        if gamma == 0:
            row = apart.argmin(1)
            return (self.x1 - self.x0)[row].reshape(x.shape).to(x.dtype)
        weights = torch.softmax(-apart / (2 * gamma**2), dim=1)
        velocity = weights @ (self.x1 - self.x0)
        if self.noise == "bridge":
            slope = self.sigma * (1 - 2 * t) / (2 * math.sqrt(t * (1 - t)))
            velocity = velocity + slope / gamma * (flat - weights @ lines)
        return velocity.reshape(x.shape).to(x.dtype)

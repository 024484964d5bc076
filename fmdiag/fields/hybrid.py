"""Hybrid field: û* until tau, the model's own field afterwards.

    v(x, t) = û*(x, t) for t < tau,  u_theta(x, t) for t >= tau.

References
----------
Bertrand et al., arXiv 2506.03719, figure 3.
"""

import numbers
from dataclasses import dataclass
from typing import ClassVar

import torch

from fmdiag.errors import FmdiagError
from fmdiag.fields.contract import as_field, non_finite_allowed
from fmdiag.paths import times_like


@dataclass(frozen=True)
class HybridField:
    """û* on [0, tau), another field on [tau, 1]; callable as v(x, t).

    Parameters
    ----------
    u_star, field : callable
        Velocity fields v(x, t).
    tau : float
        Time of the change, in [0, 1].
    """

    keeps_contract: ClassVar[bool] = True

    u_star: object
    field: object
    tau: float

    def __post_init__(self):
        """Refuse a tau outside [0, 1], and put both fields under the contract."""
        if not isinstance(self.tau, numbers.Real) or not 0 <= self.tau <= 1:
            raise FmdiagError(f"tau must be in [0, 1], got {self.tau!r}")
        for name in ("u_star", "field"):
            object.__setattr__(self, name, as_field(getattr(self, name)))

    def __call__(self, x, t):
        """Return the velocity at x, shape (b, *shape), and t, a float or shape (b,)."""
        t = times_like(t, x)
        early = t < self.tau
        velocity = torch.empty_like(x)
        for chosen, field in ((early, self.u_star), (~early, self.field)):
            if bool(chosen.any()):
                with non_finite_allowed():
                    velocity[chosen] = field(x[chosen], t[chosen]).to(x.dtype)
        return velocity

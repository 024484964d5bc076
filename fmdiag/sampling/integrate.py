"""Where does any velocity field carry a point from one time to another? By torchdiffeq's methods, on a given grid."""

import torch
from torchdiffeq import odeint

from fmdiag.errors import FmdiagError

METHODS = ("euler", "midpoint", "heun2", "rk4", "dopri5")


def time_grid(n_steps, taus=()):
    """Return the times 0, 1/n, ..., 1 with every tau inserted: a sorted list of floats."""
    grid = {k / n_steps for k in range(n_steps + 1)}
    for tau in taus:
        if not any(abs(tau - t) < 1e-9 for t in grid):
            grid.add(float(tau))
    return sorted(grid)


def nearest_time(grid, tau):
    """Return the member of `grid` that stands for tau."""
    return min(grid, key=lambda t: abs(t - tau))


def integrate(field, x, times, method="euler"):
    """Integrate `field` from times[0] to times[-1], a step per interval; shapes as in `sample`."""
    if len(times) < 2:
        return x

    def derivative(t, state):
        velocity = field(state, t.expand(state.shape[0]))
        if velocity.shape != state.shape:
            raise FmdiagError(f"the field returned shape {tuple(velocity.shape)} for x of {tuple(state.shape)}")
        return velocity

    with torch.no_grad():
        grid = torch.tensor(times, dtype=torch.float64, device=x.device).to(x.dtype)
        options = {"rtol": 1e-5, "atol": 1e-5} if method == "dopri5" else {}
        x = odeint(derivative, x, grid, method=method, **options)[-1]
    if not bool(torch.isfinite(x).all()):
        raise FmdiagError(f"the field led to values that are not finite between t = {times[0]} and {times[-1]}")
    return x


def check_steps(n_steps, method):
    """Raise FmdiagError if the method is unknown or n_steps < 1."""
    if method not in METHODS:
        raise FmdiagError(f"unknown method {method!r}: choose from {', '.join(METHODS)}")
    if n_steps < 1:
        raise FmdiagError(f"n_steps must be at least 1, got {n_steps}")

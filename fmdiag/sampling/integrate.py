"""Where does any velocity field carry a point from one time to another? By torchdiffeq's methods, on a given grid."""

import math

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
    """Integrate `field` from times[0] to times[-1], a step per interval; shapes as in `sample`.

    A field with ``reachable = (low, high)`` is asked only there, as its own samplers do: noise is carried to low as
    noise of that level, and the last step, from high on, goes straight to the data that the field expects.
    """
    if len(times) < 2:
        return x
    low, high = getattr(field, "reachable", (0.0, 1.0))
    if times[0] < low or times[-1] > high:
        return _within(field, x, times, method, low, high)
    return _solved(field, x, times, method)


def _within(field, x, times, method, low, high):
    if times[0] >= high:
        raise FmdiagError(f"t = {times[0]:g} lies beyond the last time that the model's schedule has ({high:.4g}): "
                          "start earlier")
    start = max(times[0], low)
    x = x * (math.hypot(start, 1 - start) / math.hypot(times[0], 1 - times[0]))
    end = min(times[-1], high)
    x = _solved(field, x, [start, *(t for t in times if start < t < end), end], method)
    return x + (times[-1] - end) * field(x, torch.full((len(x),), end, dtype=torch.float64)) if end < times[-1] else x


def _solved(field, x, times, method):
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

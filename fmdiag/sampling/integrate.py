"""Integration of a velocity field from one time to another, by torchdiffeq's methods on a given grid.

No method asks a field before the first or after the last time: the adaptive one ends its last step exactly there. A
trajectory whose velocity is not finite, or beyond LIMIT, is lost: it is held still and ends as NaN, and the others go
on. Trial steps of the adaptive method are common to all samples; lost ones have no say in them.
"""

import math
import numbers

import torch
from torchdiffeq import odeint

from fmdiag.errors import FmdiagError
from fmdiag.fields import as_field, is_sampler, non_finite_allowed

METHODS = ("euler", "midpoint", "heun2", "rk4", "dopri5")
ADAPTIVE = {"dopri5": 1e-5}   # relative and absolute tolerance
FIRST_STEP = 0.01             # of the interval; torchdiffeq's own guess may ask far outside it
MOST_STEPS = 10_000
LIMIT = 1e18                  # of a velocity, far from overflow in float32


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
    noise of that level, and the last step, from high on, goes straight to the data that the field expects. Samples
    that are lost on the way are NaN.
    """
    return carry(field, x, times, method)[0]


def carry(field, x, times, method="euler", *, straight_from=1.0):
    """Return (samples, lost): where `integrate` leads, and when each trajectory was lost, NaN where it was not.

    A sampler of a few steps goes to the end, times[-1] = 1, in at most as many steps as there are intervals. From
    `straight_from` on, as from the last time that the field reaches, one step goes straight to the data.

    Returns
    -------
    Tensor of shape (b, *shape), Tensor of float64 of shape (b,)
    """
    solver = _Solver(as_field(field), len(x), x.device)
    if len(times) < 2:
        return x, solver.lost
    if is_sampler(field):
        with torch.no_grad(), non_finite_allowed():
            return _jumped(solver, field, x, times), solver.lost
    low, high = getattr(field, "reachable", (0.0, 1.0))
    with torch.no_grad(), non_finite_allowed():
        if times[0] < low or times[-1] > min(high, straight_from):
            return _within(solver, x, times, method, (low, high), straight_from), solver.lost
        return solver.solved(x, times, method), solver.lost


def _jumped(solver, sampler, x, times):
    if times[-1] != 1:
        raise FmdiagError(f"a sampler of a few steps ends at t = 1 and was to stop at t = {times[-1]:g}")
    x = solver.marked(x, times[0], fill=0.0)
    return solver.marked(sampler.draw(x, len(times) - 1, times[0]), 1.0)


def _within(solver, x, times, method, reachable, straight_from):
    """Integrate as far as the field's schedule reaches, and carry noise before it and data after it."""
    low, high = reachable
    if times[0] >= high:
        raise FmdiagError(f"t = {times[0]:g} lies beyond the last time that the model's schedule has ({high:.4g}): "
                          "start earlier")
    start, end = max(times[0], min(low, times[-1])), min(times[-1], high, straight_from)
    x = x * (math.hypot(start, 1 - start) / math.hypot(times[0], 1 - times[0]))
    if end > start:
        x = solver.solved(x, [start, *(t for t in times if start < t < end), end], method)
    if end == times[-1]:
        return x
    return solver.marked(x + (times[-1] - end) * solver(torch.tensor(end, dtype=torch.float64), x), times[-1])


class _Solver:
    """A field as torchdiffeq asks it, and the trajectories that were lost on the way."""

    def __init__(self, field, n, device):
        self.field, self.low, self.high = field, 0.0, 1.0
        self.lost = torch.full((n,), torch.nan, dtype=torch.float64, device=device)
        self.alive, self.whole = torch.ones(n, dtype=torch.bool, device=device), True

    def solved(self, x, times, method):
        """Return the states at times[-1], in the dtype of x; NaN where the trajectory was lost."""
        self.low, self.high = float(times[0]), float(times[-1])
        x = self.marked(x, self.low, fill=0.0)
        # In float64 the ends are what was asked for; a field is asked in the dtype of x.
        grid = torch.tensor(times if method not in ADAPTIVE else [times[0], times[-1]], dtype=torch.float64,
                            device=x.device)
        try:
            x = odeint(self, x, grid if method in ADAPTIVE else grid.to(x.dtype), method=method,
                       **self._options(method))[-1]
        except AssertionError as error:   # torchdiffeq's way to say that no step is small enough, or too many are
            raise FmdiagError(f"{method} finds no step small enough ({str(error).splitlines()[0][:60]}): the field "
                              "changes too fast or is not smooth; choose euler or rk4 with more steps") from error
        return self.marked(x, self.high)

    def _options(self, method):
        if method not in ADAPTIVE:
            return {}
        end = torch.tensor([self.high], dtype=torch.float64)
        return {"rtol": ADAPTIVE[method], "atol": ADAPTIVE[method],
                "options": {"step_t": end, "first_step": FIRST_STEP * (self.high - self.low), "norm": self._norm,
                            "max_num_steps": MOST_STEPS}}

    def _norm(self, error):
        """Return the root of the mean square over the trajectories that are still on their way."""
        alive = error[self.alive]
        return alive.square().mean().sqrt() if len(alive) else torch.zeros((), dtype=error.dtype, device=error.device)

    def __call__(self, t, state):
        # Rounding in float32 must not ask the field outside the interval.
        t = t.clamp(self.low, self.high).to(state.dtype)
        velocity = self.field(self._kept(state, 0), t.expand(len(state)))
        fast = ~(velocity.flatten(1).abs().amax(1) <= LIMIT) & self.alive
        if bool(fast.any()):
            self._lose(fast, t)
        return self._kept(velocity, 0)

    def _kept(self, x, fill):
        return x if self.whole else torch.where(self.alive.reshape(-1, *[1] * (x.ndim - 1)), x, fill)

    def _lose(self, which, t):
        self.lost[which], self.alive, self.whole = float(t), self.alive & ~which, False

    def marked(self, x, t, fill=torch.nan):
        """Return states at time t, those of lost trajectories replaced; states that are not finite are lost here."""
        fresh = ~torch.isfinite(x).flatten(1).all(1) & self.alive
        if bool(fresh.any()):
            self._lose(fresh, t)
        return self._kept(x, fill)


def solver_text(method, n_steps, field=None):
    """Return a solver in words: its name with its steps, or the tolerance by which it chooses its own.

    A field that is a sampler of a few steps says itself how it draws.
    """
    if is_sampler(field):
        return field.text(n_steps)
    if method in ADAPTIVE:
        return f"{method}, tolerance {ADAPTIVE[method]:g}"
    return f"{method}, {n_steps} step{'' if n_steps == 1 else 's'}"


def check_steps(n_steps, method):
    """Raise FmdiagError if the method is unknown or n_steps < 1."""
    if method not in METHODS:
        raise FmdiagError(f"unknown method {method!r}: choose from {', '.join(METHODS)}")
    if not isinstance(n_steps, numbers.Integral) or n_steps < 1:
        raise FmdiagError(f"n_steps must be a whole number of at least 1, got {n_steps!r}")

"""Trajectories: the states of a velocity field's samples at the times of a grid."""

import torch

from fmdiag.fields import ClosedFormField, as_field
from fmdiag.sampling.closed_form import closed_form_states
from fmdiag.sampling.integrate import check_steps, integrate, time_grid


def trajectory(field, x0, n_steps=100, method="euler", *, times=()):
    """Return (grid, states): the trajectories of `field` from noise at every time of a uniform grid.

    Parameters
    ----------
    field : callable
        v(x, t); û* takes its own step, which lands on training rows.
    x0 : Tensor, shape (b, *shape)
        Noise.
    n_steps : int
        Uniform steps on [0, 1].
    method : str
        One of METHODS; of no matter for û*.
    times : sequence of float
        Times that the grid must have besides.

    Returns
    -------
    list of float, list of Tensor of shape (b, *shape)
        Times from 0 to 1, without those that the field's schedule does not reach, and the states at them.
    """
    check_steps(n_steps, method)
    field = as_field(field)
    grid = time_grid(n_steps, times)
    if isinstance(field, ClosedFormField):
        found = closed_form_states(field, x0, grid, grid)
        return grid, [found[t] for t in grid]
    low, high = getattr(field, "reachable", (0.0, 1.0))
    grid = [t for t in grid if t in (0.0, 1.0) or low < t < high]
    states = [x0]
    for start, stop in zip(grid[:-1], grid[1:], strict=True):
        states.append(integrate(field, states[-1], [start, stop], method))
    return grid, states


def path_energy(grid, states):
    """Return ½ ||dx||² / dt of every step and sample, a mean over coordinates: float64, shape (steps, b).

    The sum over steps is the kinetic energy ½ ∫ ||v||² dt of the polygon through the states.
    """
    steps = []
    for start, stop, x, y in zip(grid[:-1], grid[1:], states[:-1], states[1:], strict=True):
        steps.append((y.double() - x.double()).flatten(1).square().mean(1).cpu() / (2 * (stop - start)))
    return torch.stack(steps)

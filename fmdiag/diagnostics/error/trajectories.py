"""Trajectories of a field and of û* from the same initial noise, at the very times that are measured.

û* takes its own step, which keeps the posterior mean D fixed over the step (`fmdiag.sampling.closed_form`); where its
posterior is wanted at a state, that of the step serves for both.
"""

import warnings

import torch

from fmdiag.errors import FmdiagWarning
from fmdiag.fields import ClosedFormField
from fmdiag.posterior.points import at_points
from fmdiag.sampling import ADAPTIVE, closed_form_states, lost_sentence, time_grid
from fmdiag.sampling.integrate import carry

CLOSE = 1e-6    # in t: a time of the uniform grid that is this near to a measured one is left out


def grid_through(times, n_steps, reachable=(0.0, 1.0)):
    """Return increasing times from 0 to the last of `times`, with all of these and a uniform grid between them."""
    low, high = reachable
    uniform = [t for t in time_grid(n_steps) if low <= t <= high and all(abs(t - s) > CLOSE for s in times)]
    return sorted({0.0, *times, *(t for t in uniform if t < max(times))})


def model_states(field, x0, times, *, n_steps, method, group):
    """Return (states, lost): the field's trajectories from noise at `times`, and when each was lost.

    Parameters
    ----------
    field : callable
        v(x, t); a ClosedFormField takes its own steps.
    x0 : Tensor, float32, shape (b, *shape)
        Noise.
    times : list of float
        Increasing.
    n_steps, method
        As in `fmdiag.sample`; the grid has all `times` besides.

    Returns
    -------
    dict of float to Tensor of shape (b, *shape), Tensor of float64 of shape (b,)
        NaN where the trajectory was lost, or was not.
    """
    parts = group.spread(x0, lambda mine: _carried(field, mine, times, n_steps, method))
    return {t: torch.cat([states[t] for states, _ in parts]) for t in times}, torch.cat([lost for _, lost in parts])


def _carried(field, x, times, n_steps, method):
    low, high = getattr(field, "reachable", (0.0, 1.0))
    grid = grid_through(times, n_steps, (low, high))
    lost = torch.full((len(x),), torch.nan, dtype=torch.float64)
    if isinstance(field, ClosedFormField):
        found = closed_form_states(field, x, grid, times)
        return {t: found[t].float().cpu() for t in times}, lost
    if method in ADAPTIVE:
        grid = sorted({0.0, *times})
    states = {0.0: x}
    for start, stop in zip(grid[:-1], grid[1:], strict=True):
        # Noise is carried to the first time that the field reaches, not 1e-9 beyond it.
        x, now = carry(field, x, [start, low if abs(stop - low) < CLOSE else stop], method)
        lost = torch.where(lost.isnan(), now.cpu(), lost)
        if stop in times:
            states[stop] = x.cpu()
    return {t: states[t] for t in times}, lost


def say_lost_states(lost):
    """Warn where trajectories of the field diverged: how many, and from when on; return the sentence or None."""
    text = lost_sentence(lost)
    if text is None:
        return None
    share = float((~lost.isnan()).double().mean())
    text = f"the model's own trajectories: {text} ({share:.1%}): states from there on are left out"
    warnings.warn(text, FmdiagWarning, stacklevel=3)
    return text


def closed_form_walk(u_star, x0, times, n_steps):
    """Yield (time, state, Posterior) at `times`, increasing, along û*'s trajectories from x0; states float64."""
    grid, x = grid_through(times, n_steps), x0.double()
    for k, t in enumerate(grid):
        found = at_points(u_star.posterior, x, t)
        if t in times:
            yield t, x, found
        if k + 1 < len(grid):
            x = stepped(u_star.path, x, found.mean.to(x.device), t, grid[k + 1])


def stepped(path, x, mean, start, stop):
    """Return the state at `stop` of û*'s step from x at `start` with its posterior mean held fixed."""
    (alpha, sigma), (alpha_stop, sigma_stop) = ((path.alpha(t), path.sigma(t))
                                                for t in torch.tensor([start, stop], dtype=torch.float64))
    return alpha_stop * mean + sigma_stop / sigma * (x - alpha * mean)

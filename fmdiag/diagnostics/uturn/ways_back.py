"""The way back of a U-turn: states x_t of starts, carried to t = 1 by a network, by û* or by the Wiener field.

    x_t = alpha_t x1 + sigma_t x0,        one x0 per pair of starts, the same at all times and for all fields

A network's field is integrated along one grid: the states of a time join those of earlier times, so that all times of a
start go through it in one batch. A sampler goes on from each time in its few steps. û* takes its own step
(`fmdiag.sampling.closed_form`), the Wiener field its exact flow.
"""

import torch

from fmdiag.closed_forms.wiener import WienerField
from fmdiag.diagnostics.points.measurable import diverged
from fmdiag.fields import is_sampler
from fmdiag.memory import in_pieces
from fmdiag.sampling import closed_form_states, nearest_time, time_grid
from fmdiag.sampling.integrate import carry

STATES_AT_ONCE = 512


def ends(field, path, x0, x1, times, *, n_steps, method, training_set, progress=iter):
    """Return where a field carries noised starts, and when trajectories were lost.

    Parameters
    ----------
    field : callable
        v(x, t); a `ClosedFormField` and a `WienerField` take their own ways.
    path : GaussianPath
        Of x_t.
    x0, x1 : Tensor, float32, shape (b, *shape)
        Noise and starts.
    times : list of float
        Ascending, in [0, 1).
    n_steps, method
        Solver, as in `fmdiag.sample`: steps from t = 0 to 1, of which those after t are taken.
    training_set : TrainingSet
        Gives the scale beyond which a trajectory counts as lost.
    progress : callable
        Wraps the pieces of starts.

    Returns
    -------
    Tensor of float32 of shape (b, times, *shape), Tensor of float64 of shape (b, times)
        The second NaN where a trajectory was not lost; the first is NaN where it was.
    """
    grid = time_grid(n_steps, times)
    times = [nearest_time(grid, t) for t in times]
    if hasattr(field, "posterior") and hasattr(field, "path"):
        way, size = _by_own_steps, len(x0)
    elif isinstance(field, WienerField):
        way, size = _by_flow, len(x0)
    elif is_sampler(field):
        way, size = _by_jumps, max(1, STATES_AT_ONCE // len(times))
    else:
        way, size = _by_solver, max(1, STATES_AT_ONCE // len(times))
    found = []

    def piece(chosen):
        found.append(way(field, path, x0[chosen], x1[chosen], times, grid, method))

    for start in progress(range(0, len(x0), size)):
        in_pieces(lambda k, start=start: piece(slice(start + k.start, start + k.stop)), min(size, len(x0) - start),
                  size, "starts at a time")
    states, lost = (torch.cat(parts) for parts in zip(*found, strict=True))
    far = diverged(states.flatten(0, 1), training_set).reshape(lost.shape)
    states[far] = torch.nan
    return states, torch.where(far & lost.isnan(), 1.0, lost)


def _noised(path, x0, x1, t):
    return path.sample(x0.double(), x1.double(), t)


def _by_solver(field, path, x0, x1, times, grid, method):
    states, lost = x0[:0], torch.empty(0, dtype=torch.float64)
    for t, stop in zip(times, [*times[1:], 1.0], strict=True):
        states = torch.cat([states, _noised(path, x0, x1, t).to(x0.dtype)])
        states, now = carry(field, states, [s for s in grid if t <= s <= stop], method)
        states, now = states.cpu(), now.cpu()
        before = torch.cat([lost, torch.full((len(x0),), torch.nan, dtype=torch.float64)])
        lost = torch.where(before.isnan(), now, before)
    return (states.unflatten(0, (len(times), len(x0))).transpose(0, 1).contiguous(),
            lost.unflatten(0, (len(times), len(x0))).T)


def _by_jumps(sampler, path, x0, x1, times, grid, method):
    found = [carry(sampler, _noised(path, x0, x1, t).to(x0.dtype), [s for s in grid if s >= t], method) for t in times]
    return tuple(torch.stack([part.cpu() for part in parts], 1) for parts in zip(*found, strict=True))


def _by_own_steps(u_star, path, x0, x1, times, grid, method):
    found = [closed_form_states(u_star, _noised(path, x0, x1, t), [s for s in grid if s >= t], [1.0])[1.0]
             for t in times]
    return _never_lost(torch.stack(found, 1), x0)


def _by_flow(wiener, path, x0, x1, times, grid, method):
    return _never_lost(torch.stack([wiener.flow(_noised(path, x0, x1, t), t, 1.0) for t in times], 1), x0)


def _never_lost(states, x0):
    return states.cpu().to(x0.dtype), torch.full(states.shape[:2], torch.nan, dtype=torch.float64)

"""Sampling: where a velocity field carries noise; û* and hybrids take û*'s own step, all else torchdiffeq's."""

import math
import warnings

import torch

from fmdiag.datasets import as_points
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import HybridField, as_field
from fmdiag.sampling.closed_form import closed_form_samples, closed_form_states
from fmdiag.sampling.integrate import carry, check_steps, nearest_time, time_grid


def sample(field, x0, n_steps=100, method="euler", *, times=None):
    """Integrate a velocity field from noise to data.

    Parameters
    ----------
    field : callable
        v(x, t) -> velocity, x of shape (b, *shape), t of shape (b,), asked under the contract of `fmdiag.fields`. A
        `ClosedFormField` is integrated by its own step and lands on training rows; a `HybridField` is split at its tau.
    x0 : Tensor, shape (b, *shape)
        Noise, t = 0.
    n_steps : int
        Uniform steps (for dopri5: ignored, the step is adaptive with rtol = atol = 1e-5).
    method : str
        One of ``euler``, ``midpoint``, ``heun2``, ``rk4``, ``dopri5``.
    times : sequence of float, optional
        Increasing times that end with 1, instead of uniform steps; for a network's field only. The noise is that of
        the first one.

    Returns
    -------
    Tensor, shape (b, *shape)
        Samples at t = 1, in the dtype of `x0`; NaN where the trajectory diverged, with a warning.

    Raises
    ------
    FmdiagError
        If the method is unknown, n_steps < 1, the field fails or returns another shape, or all trajectories diverge.

    Examples
    --------
    >>> import fmdiag, torch
    >>> digits = fmdiag.load_dataset("digits")
    >>> x0 = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> x1 = fmdiag.sample(fmdiag.ClosedFormField(digits), x0)
    >>> bool((x1[:, None] - digits[:]).abs().flatten(2).amax(2).min(1).values.max() < 1e-5)
    True
    """
    x, lost = carry_noise(field, x0, n_steps, method, times=times)
    say_lost(lost)
    return x


def carry_noise(field, x0, n_steps=100, method="euler", *, times=None):
    """Return (samples, lost): what `sample` returns, and when each trajectory diverged, NaN where it did not.

    Returns
    -------
    Tensor of shape (b, *shape), Tensor of float64 of shape (b,)
    """
    check_steps(n_steps, method)
    field, solved = as_field(field), as_points(x0, "noise")
    wanted = x0.dtype if isinstance(x0, torch.Tensor) and x0.dtype.is_floating_point else solved.dtype
    if isinstance(field, HybridField):
        grid = time_grid(n_steps, [field.tau])
        tau = nearest_time(grid, field.tau)
        x = closed_form_states(field.u_star, solved, grid, [tau])[tau] if tau > 0 else solved
        x, lost = carry(field.field, x.to(solved.dtype), [t for t in grid if t >= tau], method)
    elif hasattr(field, "posterior") and hasattr(field, "path"):
        x = closed_form_samples(field, solved, n_steps)
        lost = torch.full((len(x),), torch.nan, dtype=torch.float64)
    else:
        grid = time_grid(n_steps) if times is None else _checked(times)
        # Noise of the level of the first time: the sum of alpha x1 + sigma x0 has no data yet.
        last = 1.0 if times is None or getattr(field, "reachable", (0.0, 1.0))[1] == 1 else grid[-2]
        x, lost = carry(field, solved * math.hypot(grid[0], 1 - grid[0]), grid, method, straight_from=last)
    return x.to(wanted), lost


def _checked(times):
    """Return increasing times in [0, 1] that end with 1, as a list of floats."""
    times = [float(t) for t in times]
    if len(times) < 2 or times[-1] != 1 or times[0] < 0 or any(b <= a for a, b in zip(times, times[1:], strict=False)):
        raise FmdiagError(f"times must increase from 0 or above to 1, got {times[:3]} ... {times[-1:]}")
    return times


def lost_sentence(lost):
    """Return what is to be said of trajectories that diverged, None where none did; `lost` as of `carry_noise`."""
    lost = lost.cpu()
    gone = lost[~lost.isnan()]
    if not len(gone):
        return None
    count = f"all {len(lost)} trajectories" if len(gone) == len(lost) else f"{len(gone)} of {len(lost)} trajectories"
    return f"{count} diverged, the first at t = {gone.min():.4g}"


def say_lost(lost):
    """Warn where some trajectories diverged; raise FmdiagError where all did."""
    text = lost_sentence(lost)
    if text is not None and text.startswith("all"):
        raise FmdiagError(f"{text}: values that are not finite; check the field's sign, its time direction, its range, "
                          "and the number of steps")
    if text is not None:
        warnings.warn(f"{text}: values that are not finite; they are NaN", FmdiagWarning, stacklevel=3)

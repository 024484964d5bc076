"""Where does a velocity field carry noise?

Fields are integrated from t = 0 (noise) to t = 1 (data) by torchdiffeq. The closed form û* is singular at t = 1, so it
is integrated here by its own step, which keeps the posterior mean D fixed over the step,

    x' = alpha' D + (sigma' / sigma) (x - alpha D)

(on the linear path this is Euler's step; on any path DDIM's, Song et al., arXiv 2010.02502). Its last step,
sigma' = 0, lands exactly on D. Where one uniform grid is too coarse, as in low dimensions, the grid goes on
geometrically in 1 - t until one row (or its duplicates) carries the weight, so that û*'s samples are training rows.
"""

import torch
from torchdiffeq import odeint

from fmdiag.errors import FmdiagError
from fmdiag.fields import HybridField

METHODS = ("euler", "midpoint", "heun2", "rk4", "dopri5")
SHRINK = 0.75          # ratio of one geometric step in 1 - t
SPREAD = 1e-6          # posterior standard deviation, model range, below which a sample has landed
SMALLEST_STEP = 1e-12  # in 1 - t


def draw_noise(n, shape, *, generator, start=0):
    """Return standard normal noise with a seed per sample, so that batch sizes and ranks change nothing.

    Parameters
    ----------
    n : int
        Number of samples.
    shape : tuple of int
        Shape of one sample.
    generator : torch.Generator
        Gives one base seed; sample i uses base + i.
    start : int
        Number of the first sample.

    Returns
    -------
    Tensor, float32, shape (n, *shape)
    """
    base = int(torch.randint(2**62, (1,), generator=generator))
    noise = torch.empty((n, *shape))
    for i in range(n):
        noise[i].normal_(generator=torch.Generator().manual_seed((base + start + i) % 2**63))
    return noise


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


def sample(field, x0, n_steps=100, method="euler"):
    """Integrate a velocity field from noise to data.

    Parameters
    ----------
    field : callable
        v(x, t) -> velocity, x of shape (b, *shape), t of shape (b,). A `ClosedFormField` is integrated by its own step
        and lands on training rows; a `HybridField` is split at its tau.
    x0 : Tensor, shape (b, *shape)
        Noise, t = 0.
    n_steps : int
        Uniform steps (for dopri5: ignored, the step is adaptive with rtol = atol = 1e-5).
    method : str
        One of ``euler``, ``midpoint``, ``heun2``, ``rk4``, ``dopri5``.

    Returns
    -------
    Tensor, shape (b, *shape)
        Samples at t = 1, in the dtype of `x0`.

    Raises
    ------
    FmdiagError
        If the method is unknown, n_steps < 1, or the field returns another shape or values that are not finite.
    """
    _check(n_steps, method)
    if isinstance(field, HybridField):
        grid = time_grid(n_steps, [field.tau])
        tau = nearest_time(grid, field.tau)
        x = closed_form_states(field.u_star, x0, grid, [tau])[tau] if tau > 0 else x0
        return integrate(field.field, x.to(x0.dtype), [t for t in grid if t >= tau], method)
    if hasattr(field, "posterior") and hasattr(field, "path"):
        return closed_form_samples(field, x0, n_steps)
    return integrate(field, x0, time_grid(n_steps), method)


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


def closed_form_samples(u_star, x0, n_steps=100):
    """Integrate û* from noise until every sample has landed on a training row (positive control).

    Parameters
    ----------
    u_star : ClosedFormField
        û* of n rows.
    x0 : Tensor, shape (b, *shape)
        Noise.
    n_steps : int
        Uniform steps on [0, 1]; further geometric ones in 1 - t follow where more than one row has weight at the last.

    Returns
    -------
    Tensor, shape (b, *shape)
        Posterior means with a posterior standard deviation of at most 1e-6: training rows, for paths with sigma(1) = 0.
    """
    _check(n_steps, "euler")
    return closed_form_states(u_star, x0, time_grid(n_steps), [1.0])[1.0].to(x0.dtype)


def closed_form_states(u_star, x0, grid, taus):
    """Return {tau: state} along one trajectory of û*, float64; `grid` must contain every tau."""
    x, states = x0.double(), {}
    if 0.0 in taus:
        states[0.0] = x
    for start, stop in zip(grid[:-1], grid[1:], strict=True):
        if start >= max(taus):
            break
        if stop == 1.0:
            x = _land(u_star, x, start)
        else:
            x = _step(u_star.path, u_star.posterior(x.float(), start).mean, x, start, stop)
        if stop in taus:
            states[stop] = x
    return states


def _step(path, mean, x, start, stop):
    """Move x from time `start` to `stop` (floats or float64 tensors, shape (b,)) with the posterior mean held fixed."""
    def columns(values):
        values = torch.as_tensor(values, dtype=torch.float64, device=x.device)
        return values.reshape(-1, *[1] * (x.ndim - 1))

    start, stop = columns(start), columns(stop)
    ratio = path.sigma(stop) / path.sigma(start)
    return path.alpha(stop) * mean.to(x.device) + ratio * (x - path.alpha(start) * mean.to(x.device))


def _land(u_star, x, start):
    """Carry x from `start` to t = 1, by geometric steps for the samples whose posterior still has several rows."""
    landed, active, rest = torch.empty_like(x), torch.arange(x.shape[0], device=x.device), 1.0 - start
    while True:
        posterior = u_star.posterior(x, 1.0 - rest)
        done = (posterior.variance.sqrt() <= SPREAD).to(x.device) | (rest <= SMALLEST_STEP)
        finished = _step(u_star.path, posterior.mean, x, 1.0 - rest, 1.0)
        landed[active[done]] = finished[done]
        if bool(done.all()):
            return landed
        mean = posterior.mean.to(x.device)[~done]
        x, active = _step(u_star.path, mean, x[~done], 1.0 - rest, 1.0 - SHRINK * rest), active[~done]
        rest *= SHRINK


def _check(n_steps, method):
    if method not in METHODS:
        raise FmdiagError(f"unknown method {method!r}: choose from {', '.join(METHODS)}")
    if n_steps < 1:
        raise FmdiagError(f"n_steps must be at least 1, got {n_steps}")

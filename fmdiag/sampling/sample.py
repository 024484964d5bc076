"""Where does a velocity field carry noise? û* and hybrids take û*'s own step, everything else torchdiffeq's."""

from fmdiag.fields import HybridField
from fmdiag.sampling.closed_form import closed_form_samples, closed_form_states
from fmdiag.sampling.integrate import check_steps, integrate, nearest_time, time_grid


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

    Examples
    --------
    >>> import fmdiag, torch
    >>> digits = fmdiag.load_dataset("digits")
    >>> x0 = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> x1 = fmdiag.sample(fmdiag.ClosedFormField(digits), x0)
    >>> bool((x1[:, None] - digits[:]).abs().flatten(2).amax(2).min(1).values.max() < 1e-5)
    True
    """
    check_steps(n_steps, method)
    if isinstance(field, HybridField):
        grid = time_grid(n_steps, [field.tau])
        tau = nearest_time(grid, field.tau)
        x = closed_form_states(field.u_star, x0, grid, [tau])[tau] if tau > 0 else x0
        return integrate(field.field, x.to(x0.dtype), [t for t in grid if t >= tau], method)
    if hasattr(field, "posterior") and hasattr(field, "path"):
        return closed_form_samples(field, x0, n_steps)
    return integrate(field, x0, time_grid(n_steps), method)

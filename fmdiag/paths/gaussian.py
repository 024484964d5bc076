"""Gaussian probability paths from noise to data, and network outputs as velocities on them.

Convention, fixed here for the whole package: t = 0 is noise, t = 1 is data, and

    x_t = alpha_t x1 + sigma_t x0,      x0 ~ N(0, I).

For a posterior mean D(x, t) = E[x1 | x_t = x] the marginal velocity is

    u(x, t) = alpha'_t D + (sigma'_t / sigma_t) (x - alpha_t D).

References
----------
Bertrand, Gagneux, Massias, Emonet, "On the Closed-Form of Flow Matching", arXiv 2506.03719, section 2 (linear path).
Lipman et al., "Flow Matching for Generative Modeling", arXiv 2210.02747, section 4 (general Gaussian paths).
"""

import torch

from fmdiag.errors import FmdiagError


class GaussianPath:
    """A Gaussian probability path given by the schedules alpha and sigma and their time derivatives.

    All four are functions of a float64 tensor of times in [0, 1] and return a float64 tensor of the same shape.
    Subclasses define them; `alpha(1) = 1` and `sigma(0) = 1` up to the path's own constants.
    """

    name = "gaussian"

    def sample(self, x0, x1, t):
        """Return x_t = alpha_t x1 + sigma_t x0 in the dtype of `x1`.

        Parameters
        ----------
        x0, x1 : Tensor, shape (b, *shape)
            Noise and data.
        t : float or Tensor, shape (b,)
            Times in [0, 1].
        """
        t = times_like(t, x1)
        return expand(self.alpha(t), x1) * x1 + expand(self.sigma(t), x1) * x0

    def conditional_velocity(self, x0, x1, t):
        """Return u_cond = alpha'_t x1 + sigma'_t x0, the regression target; shapes as in `sample`."""
        t = times_like(t, x1)
        return expand(self.d_alpha(t), x1) * x1 + expand(self.d_sigma(t), x1) * x0

    def velocity_from_mean(self, mean, x, t):
        """Return the velocity that belongs to the posterior mean D(x, t).

        Parameters
        ----------
        mean, x : Tensor, shape (b, *shape)
            Posterior mean E[x1 | x_t = x] and the point x.
        t : float or Tensor, shape (b,)
            Times with sigma_t > 0.
        """
        t = times_like(t, x)
        alpha, ratio = expand(self.alpha(t), x), expand(self.d_sigma(t) / self.sigma(t), x)
        return expand(self.d_alpha(t), x) * mean + ratio * (x - alpha * mean)

    def mean_from_velocity(self, velocity, x, t):
        """Return the posterior mean D(x, t) that a velocity belongs to, the inverse of `velocity_from_mean`.

        D = (v - (sigma' / sigma) x) / (alpha' - alpha sigma' / sigma), linear in (v, x): the Jacobian of D times u
        comes from that of v times u with u in the place of x. On the linear path D = x + (1 - t) v.

        Parameters
        ----------
        velocity, x : Tensor, shape (b, *shape)
        t : float or Tensor, shape (b,)
            Times with sigma_t > 0.
        """
        t = times_like(t, x)
        ratio = self.d_sigma(t) / self.sigma(t)
        return (velocity - expand(ratio, x) * x) / expand(self.d_alpha(t) - self.alpha(t) * ratio, x)

    def variance_factor(self, t):
        """Return c_t with E||u_cond - u||^2 = c_t tr Cov[x1 | x_t]; a float64 tensor of the shape of `t`.

        With x0 = (x - alpha x1) / sigma, u_cond is affine in x1 with slope alpha' - sigma' alpha / sigma; on the linear
        path c_t = 1 / (1 - t)^2.
        """
        t = torch.as_tensor(t, dtype=torch.float64)
        return (self.d_alpha(t) - self.d_sigma(t) * self.alpha(t) / self.sigma(t)) ** 2

    def describe(self):
        """Return the path as a dict that `path_from_description` reads."""
        return {"name": self.name}


def times_like(t, x):
    """Return `t` as a float64 tensor of shape (b,) on the device of `x`; a float serves the whole batch.

    Raises
    ------
    FmdiagError
        If a time lies outside [0, 1] or the number of times is neither 1 nor b.
    """
    t = torch.as_tensor(t, dtype=torch.float64, device=x.device).reshape(-1)
    if t.numel() not in (1, x.shape[0]):
        raise FmdiagError(f"t must hold one time or one per sample ({x.shape[0]}), got {t.numel()}")
    if not bool(((t >= 0) & (t <= 1)).all()):
        raise FmdiagError(f"times must be in [0, 1], got {t.min().item()} to {t.max().item()}")
    return t.expand(x.shape[0])


def expand(values, x):
    """Return per-sample `values`, shape (b,), in the dtype of `x` and broadcastable over it."""
    return values.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))

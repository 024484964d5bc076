"""Losses of flow matching: what the network regresses on.

Every loss here is E ||v(x_t, t) - target||^2 (mean over coordinates) with pairs (x_t, target) of its own. For CFM:

    x_t = alpha_t x1 + sigma_t x0,      target = u_cond = alpha'_t x1 + sigma'_t x0      (x1 - x0 on the linear path).

Over a finite training set its minimiser is û* (Bertrand et al., arXiv 2506.03719, section 2); its value there is the
mean of E ||u_cond - û*||^2, not zero. OT-CFM is the same loss under another coupling (`fmdiag.training.couplings`).

noised: x_t gains gamma(t) z and the target gamma'(t) z, z ~ N(0, I): gamma = sigma ("constant", the target stays) or
sigma sqrt(t (1 - t)) ("bridge"; Reu et al., arXiv 2510.18118).
"""

import torch

from fmdiag.fields import ClosedFormField
from fmdiag.paths import expand
from fmdiag.training.pools import BLOCK_ROWS, draw_pool, pooled_velocity

NOISES = ("constant", "bridge")


def cfm(x0, x1, t, *, path, training_set, generator, rows=None):
    """Return the regression pairs of conditional flow matching.

    Parameters
    ----------
    x0, x1 : Tensor, shape (b, *shape)
        Noise and training rows, coupled.
    t : Tensor, shape (b,)
        Times in [0, 1).
    path : GaussianPath
        The probability path.
    training_set : TrainingSet
        For losses that need further rows; CFM does not.
    generator : torch.Generator
        For losses that need further randomness; CFM does not.
    rows : Tensor of int, shape (b,)
        Row numbers of x1; CFM does not need them.

    Returns
    -------
    xt, target : Tensor, shape (b, *shape)
        Where the network is evaluated and what it should return there.
    """
    return path.sample(x0, x1, t), path.conditional_velocity(x0, x1, t)


def efm(x0, x1, t, *, path, training_set, generator, rows=None, pool_size=128, replacement=False):
    """Return the regression pairs of empirical flow matching; see `fmdiag.training.pools`.

    Parameters
    ----------
    x0, x1, t, path, training_set, generator, rows
        As in `cfm`; pairs must be drawn independently.
    pool_size : int or "all"
        M, the sample's own row counted; "all" regresses on û* of the whole set, by `fmdiag.posterior`. The authors'
        n_samples_mean = k at batch b is M = b + k: their pool holds the batch's rows too.
    replacement : bool
        Whether the M - 1 others are drawn with replacement.
    """
    xt = path.sample(x0, x1, t)
    if pool_size == "all":
        # Asked at x_t before it is rounded to float32: near t = 1 that rounding is magnified by 1 / (1 - t).
        return xt, _u_star(training_set, path, x1.device)(path.sample(x0.double(), x1.double(), t), t).to(x1.dtype)
    others, counts = draw_pool(rows.cpu(), training_set.n, pool_size, replacement=replacement, generator=generator)
    pool = (training_set[part.numpy()].to(x1) for part in others.split(BLOCK_ROWS))
    return xt, pooled_velocity(x0, x1, t, pool, counts.to(x1.device), path)


def noised(x0, x1, t, *, path, training_set, generator, rows=None, sigma=0.05, noise="constant"):
    """Return the regression pairs with noise of scale `sigma` added on the way, "constant" or "bridge"."""
    xt, target = path.sample(x0, x1, t), path.conditional_velocity(x0, x1, t)
    z = torch.randn(x0.shape, generator=generator).to(x0)
    if noise == "constant":
        return xt + sigma * z, target
    # gamma' diverges at both ends: within the roundoff of the draws of t it is taken a step inside.
    inner = t.double().clamp(2.0**-24, 1 - 2.0**-24)
    gamma = sigma * (inner * (1 - inner)).sqrt()
    slope = sigma**2 * (1 - 2 * inner) / (2 * gamma)
    return xt + expand(gamma, x0) * z, target + expand(slope, x0) * z


# A further loss is one function of this signature, its own options last, and one line here.
LOSSES = {"cfm": cfm, "otcfm": cfm, "efm": efm, "noised": noised}

_KEPT = {}


def _u_star(training_set, path, device):
    """Return û* of the set; the last one is kept, because its rows are converted once."""
    key = (id(training_set), repr(path.describe()), str(device))
    if key not in _KEPT:
        _KEPT.clear()
        _KEPT[key] = ClosedFormField(training_set, path, device=device)
    return _KEPT[key]


def regression_loss(velocity, target):
    """Return the squared error per sample, mean over coordinates, in float32: shape (b,)."""
    return (velocity.float() - target).square().flatten(1).mean(1)

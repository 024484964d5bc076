"""Counterfactual û*: had this image been trained on in place of that one.

For a training row i and any image z, with S the training set and lambda the softmax weights of S without row i,

    D_without = sum_{j != i} lambda_j X_j,      D_with = D_without + w (z - D_without),
    w = e^{l_z} / (e^{l_z} + sum_{j != i} e^{l_j}),     l_z = -||x - alpha z||^2 / (2 sigma^2).

For z = X_i, D_with is the posterior mean of S itself. Where rows have groups, i stands for the whole group.
Neither mean treats a training image otherwise than a held-out one: who knows nothing of S cannot tell them apart by it.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.posterior.guided import GuidedPosterior


@dataclass(frozen=True)
class Counterfactual:
    """û* at b points, of the training set without row i and with image z in its place.

    Attributes
    ----------
    without, swapped : Tensor, float64, shape (b, *shape)
        Velocities.
    weight : Tensor, float64, shape (b,)
        Posterior weight of z in the swapped set.
    """

    without: torch.Tensor
    swapped: torch.Tensor
    weight: torch.Tensor


def replaced(training_set, rows):
    """Return the numbers of what an image replaces in the place of each row: int64, shape (b, k), padded with -1.

    The row and its mirror image, where the set has flips; where it has groups, the whole group. The image counts once,
    however large the group is: exchanged, it would have replaced another.
    """
    n, found = training_set.n_stored, []
    for row in np.asarray(rows):
        own = [row] if training_set.groups is None else np.flatnonzero(training_set.groups == training_set.groups[row])
        found.append(np.concatenate([own, np.add(own, n)] if training_set.hflip else [own]))
    width = max(map(len, found))
    return torch.tensor(np.stack([np.pad(part, (0, width - len(part)), constant_values=-1) for part in found]))


def counterfactual(u_star, x, t, images, excluded):
    """Return the Counterfactual of points x at one time.

    Parameters
    ----------
    u_star : ClosedFormField
        û* of the training set.
    x : Tensor, float64, shape (b, *shape)
        Points on the paths to `images`.
    t : float
        Time.
    images : Tensor, shape (b, *shape)
        z of each point.
    excluded : Tensor of int64, shape (b, k)
        The rows that z replaces, as `replaced` returns them.
    """
    posterior = u_star.posterior
    if not isinstance(posterior, GuidedPosterior):
        return _swapped(posterior, x, t, images, excluded)
    condition, w = posterior.condition, posterior.condition.guidance
    own = _swapped(posterior.of_class, x, t, images, excluded)
    free = _swapped(posterior.unconditional, x, t, images, torch.as_tensor(condition.in_whole(excluded.cpu().numpy())))
    return Counterfactual(free.without + w * (own.without - free.without),
                          free.swapped + w * (own.swapped - free.swapped), own.weight)


def _swapped(posterior, x, t, images, excluded):
    """Return the Counterfactual of one posterior over rows."""
    found = posterior(x, t, exclude=excluded)
    alpha, sigma = (float(value) for value in posterior.schedule(torch.tensor(t, dtype=torch.float64)))
    n, dim = posterior.training_set.n, posterior.training_set.dim
    gaussian = -0.5 * dim * np.log(2 * np.pi * sigma**2)
    rest = found.log_density.cpu() + np.log(n) - gaussian
    orbit = [images.double(), images.double().flip(-1)] if posterior.training_set.hflip else [images.double()]
    logs = torch.stack([-(x - alpha * z).flatten(1).square().sum(1) / (2 * sigma**2) for z in orbit])
    weights = (logs - torch.logsumexp(torch.cat([rest[None], logs]), 0)).exp()
    without = found.mean.cpu()
    shares = weights.reshape(len(orbit), -1, *[1] * (x.ndim - 1))
    swapped = without + sum(w * (z - without) for w, z in zip(shares, orbit, strict=True))
    velocity = posterior.path.velocity_from_mean
    return Counterfactual(velocity(without, x, t), velocity(swapped, x, t), weights.sum(0))

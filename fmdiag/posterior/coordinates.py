"""Posterior of single coordinates: mean and variance of each one under the weights of the training rows at a point.

    D_p = sum_i lambda_i X_ip,      Var_p = sum_i lambda_i (X_ip - D_p)²,      sum_p Var_p = tr Cov_lambda

exactly, in float64: rows are chosen by log-weights from one product, and the weights of those chosen come from
differences. Sums are taken around the row of largest weight, so that a variance near 0 keeps its digits.
"""

import math

import torch

NEGLIGIBLE = 1e-16       # of the largest weight: fewer than n times that is left out
BLOCK_ROWS = 1 << 22     # coordinates of rows at a time
BLOCK_WEIGHTS = 1 << 23  # log-weights at a time


def log_weights(training_set, points, alpha, sigma):
    """Return -||x - alpha X_i||² / (2 sigma²), up to rounding and a constant per point, shape (b, n).

    Parameters
    ----------
    training_set : TrainingSet
        n rows.
    points : Tensor, float64, shape (b, dim)
    alpha, sigma : float
    """
    found = torch.empty(len(points), training_set.n, dtype=torch.float64)
    for first, rows in training_set.blocks(max(1, BLOCK_ROWS // training_set.dim)):
        rows = rows.double()
        found[:, first:first + len(rows)] = alpha * (points @ rows.T) - 0.5 * alpha**2 * rows.square().sum(1)
    return found / sigma**2


def coordinate_moments(training_set, points, alpha, sigma, *, exclude=None):
    """Return (mean, variance) of the rows' coordinates under their weights at points, float64, shapes (b, dim).

    Parameters
    ----------
    training_set : TrainingSet
    points : Tensor, float64, shape (b, dim)
    alpha, sigma : float
        Of one time, sigma > 0.
    exclude : Tensor of int64, shape (b, k), optional
        Rows that do not count for each point, -1 for none.

    Examples
    --------
    >>> import fmdiag, numpy as np
    >>> two = fmdiag.TrainingSet(np.array([[1.0], [-1.0]], np.float32))
    >>> [part.item() for part in coordinate_moments(two, torch.zeros(1, 1).double(), 0.5, 0.5)]
    [0.0, 1.0]
    """
    found = []
    for some in torch.arange(len(points)).split(max(1, BLOCK_WEIGHTS // training_set.n)):
        logs = log_weights(training_set, points[some], alpha, sigma)
        for number, own in zip(some, logs, strict=True):
            if exclude is not None:
                own[exclude[number][exclude[number] >= 0]] = -torch.inf
            kept, top = torch.nonzero(own > own.max() + math.log(NEGLIGIBLE)).flatten(), own.argmax()
            kept = torch.cat([top[None], kept[kept != top]])
            found.append(_moments(training_set, points[number], kept, alpha, sigma))
    means, variances = zip(*found, strict=True)
    return torch.stack(means), torch.stack(variances)


def _moments(training_set, point, kept, alpha, sigma):
    """Return (mean, variance) over the rows kept, in blocks, around the first of them, that of largest weight."""
    blocks, centre = kept.split(max(1, BLOCK_ROWS // training_set.dim)), None
    largest, weight, first, second = torch.tensor(-torch.inf).double(), 0.0, torch.zeros(()), torch.zeros(())
    for block in blocks:
        rows = training_set[block.numpy()].flatten(1).double()
        centre = rows[0] if centre is None else centre
        logs = -(point - alpha * rows).square().sum(1) / (2 * sigma**2)
        before, largest = largest, torch.maximum(largest, logs.max())
        kept_share, weights, away = torch.exp(before - largest), torch.exp(logs - largest), rows - centre
        weight = weight * kept_share + weights.sum()
        first = first * kept_share + weights @ away
        second = second * kept_share + weights @ away.square()
    first = first / weight
    return centre + first, (second / weight - first.square()).clamp(min=0)


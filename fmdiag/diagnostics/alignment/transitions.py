"""Transition times of a closed-form trajectory: to a class, and to a single training row.

The collapse is measured from the data in `fmdiag.diagnostics.alignment.fresh`; here are formulas to compare it with.
For isotropic Gaussian data of standard deviation sigma in d dimensions, one of n rows outweighs all others from

    t_C = s / (1 + s),    s = sqrt(n^(2/d) - 1) / sigma                       (collapse)

and the trajectory commits to a direction of the data from

    t / (1 - t) = 1 / sqrt(Lambda)                                            (speciation)

with Lambda the top eigenvalue of the data's covariance. Real images are not isotropic.

References
----------
Biroli, Bonnaire, de Bortoli, Mezard, "Dynamical Regimes of Diffusion Models", Nature Communications 15 (2024), 9957.
"""

import numpy as np
import torch

from fmdiag.datasets.tally import known_moments
from fmdiag.ranks.group import SINGLE

EIGENVALUE_ROWS = 2000
BLOCK_BYTES = 1 << 25   # of float64 rows at a time


def collapse_time(n, dim, std):
    """Return t_C of n rows in `dim` dimensions with standard deviation `std` per coordinate; 0 for n = 1."""
    s = np.sqrt(np.expm1(2 / dim * np.log(n))) / std if std > 0 else np.inf
    return float(s / (1 + s)) if np.isfinite(s) else 1.0


def speciation_time(top_eigenvalue):
    """Return the t with t / (1 - t) = 1 / sqrt(top_eigenvalue)."""
    return float(1 / (1 + np.sqrt(top_eigenvalue)))


def data_std(training_set, group=SINGLE):
    """Return the standard deviation per coordinate, the root of the mean coordinate variance; model range."""
    known = known_moments(training_set)
    # With flips, the first of two ranks may have read every stored row, the other none in its own right.
    everywhere = bool(group.min(torch.tensor([known is not None], dtype=torch.int32)))
    total, square = known if everywhere else _moments(training_set, group)
    mean = total / training_set.n
    variance = square / (training_set.n * training_set.dim) - mean.square().mean().item()
    return float(np.sqrt(max(variance, 0.0)))


def _moments(training_set, group):
    """Return the sum of all rows and the sum of their squared norms, from a pass over them."""
    sums = torch.zeros(training_set.dim + 1, dtype=torch.float64)
    size = max(1, BLOCK_BYTES // (8 * training_set.dim))
    for _, rows in training_set.blocks(size, rows=group.share(training_set.n)):
        rows = rows.double()
        sums[:-1] += rows.sum(0)
        sums[-1] += rows.square().sum()
    sums = group.sum(sums)
    return sums[:-1], sums[-1].item()


def top_eigenvalue(training_set):
    """Return the top eigenvalue of the covariance, from at most 2000 evenly spaced rows (by their Gram matrix)."""
    n = min(EIGENVALUE_ROWS, training_set.n)
    if n < 2:
        return 0.0
    rows = training_set[np.linspace(0, training_set.n - 1, n).astype(np.int64)].reshape(n, -1).double()
    rows = rows - rows.mean(0)
    gram = rows @ rows.T if n < rows.shape[1] else rows.T @ rows
    return torch.linalg.eigvalsh(gram)[-1].item() / (n - 1)


def crossing_interval(times, value, low, high, level=0.5):
    """Return (time, earliest, latest) at which a rising curve reaches `level`, with the times its band allows.

    Parameters
    ----------
    times, value, low, high : array_like, shape (k,)
        The curve and its band at ascending times.

    Returns
    -------
    tuple of float
        (NaN, 0, first time) where the curve lies above `level` from the first time on: it was reached before, nothing
        says when. All NaN where it is never reached. Else the crossing of the curve; an end is 0 or 1 where the band
        crosses outside the times asked.
    """
    time = crossing_time(times, value, level)
    if np.isnan(time) or time == times[0]:
        return (np.nan, 0.0, time) if time == time else (np.nan, np.nan, np.nan)
    if not np.isfinite([*low, *high]).all():
        return time, np.nan, np.nan
    earliest, latest = crossing_time(times, high, level), crossing_time(times, low, level)
    return time, 0.0 if earliest == times[0] else earliest, 1.0 if np.isnan(latest) else latest


def crossing_time(times, values, level=0.5):
    """Return the time at which a rising curve first reaches `level`, by linear interpolation; NaN if it never does."""
    times, values = np.asarray(times, float), np.asarray(values, float)
    above = np.flatnonzero(values >= level)
    if not above.size:
        return np.nan
    k = above[0]
    if k == 0:
        return times[0]
    share = (level - values[k - 1]) / (values[k] - values[k - 1])
    return times[k - 1] + share * (times[k] - times[k - 1])

"""Checks that samples can be compared with a training set at all.

Distances between arrays of another range are numbers too, only meaningless ones: a copy saved in [0, 1] is far from its
original in [-1, 1]. Ranges are judged for images only, and only where a sample of the training distribution would
hardly ever look that way.
"""

import numpy as np
import torch

from fmdiag.datasets import as_points
from fmdiag.datasets.samples import fitted, remedy
from fmdiag.errors import FmdiagError

RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
N_COMPARED = 1000
N_VALUES, LEVELS = 1 << 16, 256
N_GROUPS, MOST_IN_A_GROUP = 100, 64


def check_samples(samples, training_set, *, what="sample", finite=True):
    """Return the samples as a CPU tensor, shape (n, *shape), checked.

    Parameters
    ----------
    samples : Tensor or ndarray
        Points in model range.
    training_set : TrainingSet
        Gives the shape they must have.
    what : str
        What they are, for the message.
    finite : bool
        Whether all values must be finite.

    Raises
    ------
    FmdiagError
        If there is none, the shape differs, or a value is NaN or infinite.
    """
    samples = fitted(as_points(samples, what).cpu(), training_set, name=f"{what}s")
    if tuple(samples.shape[1:]) != training_set.shape:
        found = tuple(samples.shape[1:])
        raise FmdiagError(f"a {what} must have shape {training_set.shape} like the rows of {training_set.name}, got "
                          f"{found}; {remedy(found, training_set.shape)}")
    bad = (~torch.isfinite(samples.reshape(len(samples), -1)).all(1)).nonzero()
    if finite and len(bad):
        raise FmdiagError(f"{what} {bad[0].item()} holds NaN or infinite values ({len(bad)} of {len(samples)} do): "
                          "leave these out, or mend the model")
    return samples


def check_range(samples, training_set, *, what="samples"):
    """Refuse images whose values are in another range than the training set's, or that are all blank.

    Compared are the distributions of the values, not extremes alone, which a network that is not clamped moves.

    Raises
    ------
    FmdiagError
        If every image is constant, or the range is another; the range that fits is named.
    """
    if len(training_set.shape) < 2:
        return
    values = samples.reshape(len(samples), -1).float()
    rows = _some_rows(training_set)
    if _constant(values).all() and not _constant(rows).all():
        raise FmdiagError(f"all {len(samples)} {what} are constant images, the rows of {training_set.name} are not: "
                          "the model or the way its samples were saved is broken")
    low, high = training_set.picture_range
    found = _other_range(values, rows, low, high)
    if found is not None:
        words, ends = found
        option = "LOW,HIGH" if ends is None else "{:g},{:g}".format(*ends)
        advice = (f"map the samples to model range first (--sample-range {option} on the command line)"
                  if what == "samples" else "store them as the training examples are")
        raise FmdiagError(f"the {what} lie in {words}, the rows of {training_set.name} in [{low:g}, {high:g}]: "
                          + advice)


def unlike(samples, training_set):
    """Return whether values of images are distributed otherwise than training rows', beyond what so few rows show."""
    if len(training_set.shape) < 2:
        return False
    values, rows = samples.reshape(len(samples), -1).float(), _some_rows(training_set)
    low, high = training_set.picture_range
    target = _quantiles(rows)
    distance = _apart(_quantiles(values), target)
    return distance > max(0.02 * (high - low), *(_apart(group, target) for group in _groups(rows, len(values))))


def _some_rows(training_set):
    stride = max(1, training_set.n // N_COMPARED)
    return training_set[np.arange(0, training_set.n, stride)[:N_COMPARED]].reshape(-1, training_set.dim)


def _quantiles(values):
    """Return quantiles of all values, shape (LEVELS,), float64: their mean distance is Wasserstein's."""
    values = values.reshape(-1)
    values = values[:: max(1, len(values) // N_VALUES)].numpy()
    return np.quantile(values, (np.arange(LEVELS) + 0.5) / LEVELS).astype(np.float64)


def _apart(one, other):
    return float(np.abs(one - other).mean())


def _groups(rows, n):
    """Yield the quantiles of groups of n rows, drawn with a seed of their own: what chance does."""
    rng = np.random.default_rng(0)
    for _ in range(N_GROUPS):
        yield _quantiles(rows[rng.integers(len(rows), size=min(n, MOST_IN_A_GROUP))])


def _constant(values):
    return values.amax(1) == values.amin(1)


def _other_range(values, rows, low, high):
    """Return the range that the samples are in, in words and as (a, b) or None, or None where it may be [low, high]."""
    width, (least, greatest) = high - low, values.aminmax()
    others = [(a, b) for a, b in RANGES if not np.allclose((a, b), (low, high))]
    fitting = [(a, b) for a, b in others if a - 0.02 * (b - a) <= least and greatest <= b + 0.02 * (b - a)]
    far_outside = ((values < low - width) | (values > high + width)).float().mean().item() > 0.5
    too_wide = far_outside or greatest - least > 20 * width
    negative = ((values < low - 0.25 * width).float().mean().item() > 0.25) and (-1.0, 1.0) in fitting
    distributed = _distributed(values, rows, low, high, others)
    if too_wide or negative or _too_narrow(values, rows, low, high):
        if fitting:
            return "[{:g}, {:g}], as it seems".format(*fitting[0]), fitting[0]
        return f"{least:.3g} to {greatest:.3g}", distributed
    return None if distributed is None else ("[{:g}, {:g}], as their distribution shows".format(*distributed),
                                             distributed)


def _distributed(values, rows, low, high, ranges):
    """Return the range from which the values must be mapped to be distributed as the rows' are, or None.

    Mapped, they must be near, four times nearer than they are, and that by more than any of 100 groups of as many rows.
    """
    target, found = _quantiles(rows), _quantiles(values)
    as_they_are = _apart(found, target)
    for a, b in ranges:
        scale = (high - low) / (b - a)
        after = _apart((found - a) * scale + low, target)
        if after > min(as_they_are / 4, 0.06 * (high - low)):
            continue
        gains = [_apart(group, target) - _apart((group - a) * scale + low, target)
                 for group in _groups(rows, len(values))]
        if as_they_are - after > max(gains):
            return a, b
    return None


def _too_narrow(values, rows, low, high):
    """Return whether the samples use so small a part of the range as the training distribution hardly ever would.

    Either no sample has a value in the lower half although rows do (the mark of [0, 1] beside [-1, 1]; chance at most
    1e-3 if samples were rows), or no sample's contrast reaches 2 % of the range although most rows' does.
    """
    middle = (low + high) / 2 - 0.02 * (high - low)
    bright = (rows.amin(1) >= middle).float().mean().item()
    if bool((values.amin(1) >= middle).all()) and bright ** len(values) < 1e-3:
        return True
    contrast = (rows.amax(1) - rows.amin(1)).median()
    return bool((values.max() - values.min()) < 0.02 * (high - low) < 0.1 * contrast)

"""Can these samples be compared with this training set at all?

Distances between arrays of another range are numbers too, only meaningless ones: a copy saved in [0, 1] is far from its
original in [-1, 1]. Ranges are judged for images only, and only where a sample of the training law would hardly ever
look that way.
"""

import numpy as np
import torch

from fmdiag.datasets import as_points
from fmdiag.errors import FmdiagError

RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
N_COMPARED = 1000
ADVICE = "map the samples to model range first (--sample-range LOW,HIGH on the command line)"


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
    samples = as_points(samples, what).cpu()
    if tuple(samples.shape[1:]) != training_set.shape:
        raise FmdiagError(f"a {what} must have shape {training_set.shape} like the rows of {training_set.name}, got "
                          f"{tuple(samples.shape[1:])}; resize or transpose them (channels come first)")
    bad = (~torch.isfinite(samples.reshape(len(samples), -1)).all(1)).nonzero()
    if finite and len(bad):
        raise FmdiagError(f"{what} {bad[0].item()} holds NaN or infinite values ({len(bad)} of {len(samples)} do): "
                          "leave these out, or mend the model")
    return samples


def check_range(samples, training_set):
    """Refuse images whose values are in another range than the training set's, or that are all blank.

    Raises
    ------
    FmdiagError
        If every image is constant, or the range is another; the range that fits is named.
    """
    if len(training_set.shape) < 2:
        return
    values = samples.reshape(len(samples), -1).float()
    stride = max(1, training_set.n // N_COMPARED)
    rows = training_set[np.arange(0, training_set.n, stride)[:N_COMPARED]].reshape(-1, training_set.dim)
    if _constant(values).all() and not _constant(rows).all():
        raise FmdiagError(f"all {len(samples)} samples are constant images, the rows of {training_set.name} are not: "
                          "the model or the way its samples were saved is broken")
    low, high = training_set.picture_range
    found = _other_range(values, rows, low, high)
    if found is not None:
        raise FmdiagError(f"the samples lie in {found}, the rows of {training_set.name} in [{low:g}, {high:g}]: "
                          + ADVICE)


def _constant(values):
    return values.amax(1) == values.amin(1)


def _other_range(values, rows, low, high):
    """Return in words the range that the samples are in, or None where it may well be [low, high]."""
    width, (least, greatest) = high - low, values.aminmax()
    fitting = [(a, b) for a, b in RANGES if a - 0.02 * (b - a) <= least and greatest <= b + 0.02 * (b - a)
               and not np.allclose((a, b), (low, high))]
    far_outside = ((values < low - width) | (values > high + width)).float().mean().item() > 0.5
    too_wide = far_outside or greatest - least > 20 * width
    negative = ((values < low - 0.25 * width).float().mean().item() > 0.25) and (-1.0, 1.0) in fitting
    if too_wide or negative or _too_narrow(values, rows, low, high):
        if fitting:
            a, b = fitting[0]
            return f"[{a:g}, {b:g}], as it seems"
        return f"{least:.3g} to {greatest:.3g}"
    return None


def _too_narrow(values, rows, low, high):
    """Return whether the samples use so small a part of the range as the training law hardly ever would.

    Either no sample has a value in the lower half although rows do (the mark of [0, 1] beside [-1, 1]; chance at most
    1e-3 if samples were rows), or no sample's contrast reaches 2 % of the range although most rows' does.
    """
    middle = (low + high) / 2 - 0.02 * (high - low)
    bright = (rows.amin(1) >= middle).float().mean().item()
    if bool((values.amin(1) >= middle).all()) and bright ** len(values) < 1e-3:
        return True
    contrast = (rows.amax(1) - rows.amin(1)).median()
    return bool((values.max() - values.min()) < 0.02 * (high - low) < 0.1 * contrast)

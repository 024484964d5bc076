"""Subsampled training sets: a smaller image size, pixels kept rather than averaged.

Figure 1c of Bertrand, Gagneux, Massias, Emonet, "On the Closed-Form of Flow Matching: Generalization Does Not Arise
from Target Stochasticity" (2025) subsamples Imagenette spatially to dim x dim. Averaging would lower the variance of
the pixels and with it move the transition; taking every k-th pixel leaves their distribution as it is.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from fmdiag.errors import FmdiagError

BLOCK_BYTES = 1 << 26


def subsample(training_set, dim):
    """Return the images at side `dim`: of the centre square of side s, pixels ``floor(i s / dim)``, i = 0 .. dim - 1.

    Where `dim` divides s this is every (s / dim)-th pixel of both axes.

    Parameters
    ----------
    training_set : TrainingSet
        Images, rows of shape (c, h, w); its held-out part is subsampled likewise, when asked for.
    dim : int
        Side wanted, in pixels.

    Returns
    -------
    TrainingSet
        Rows of shape (c, dim, dim), stored dtype, labels, flips and map to model range unchanged.

    Raises
    ------
    FmdiagError
        If the rows are no images, or smaller than `dim`.

    Examples
    --------
    >>> subsample(load_dataset("fashion-mnist"), 14).shape  # doctest: +SKIP
    (1, 14, 14)
    """
    if len(training_set.shape) != 3:
        raise FmdiagError(f"{training_set.name}: only images can be subsampled, rows have shape {training_set.shape}")
    side = min(training_set.shape[1:])
    if not 1 <= dim <= side:
        raise FmdiagError(f"{training_set.name}: an image size must be between 1 and {side} pixels, got {dim}")
    held_out = training_set.held_out_source
    rows = training_set.rows if training_set.shape[1:] == (dim, dim) else _strided(training_set.rows, side, dim)
    return replace(training_set, rows=rows, condition=None,
                   held_out_source=held_out and partial(_held_out, training_set, dim))


def _held_out(training_set, dim):
    return subsample(training_set.held_out, dim)


def _strided(rows, side, dim):
    # In blocks, because a strided view of a memory map would read the whole map again at every use.
    grid = np.arange(dim) * side // dim
    ys, xs = (grid + (length - side) // 2 for length in rows.shape[2:])
    result = np.empty((*rows.shape[:2], dim, dim), rows.dtype)
    step = max(1, BLOCK_BYTES // max(1, rows[:1].nbytes))
    for start in range(0, len(rows), step):
        result[start : start + step] = rows[start : start + step][:, :, ys[:, None], xs]
    return result

"""Samples from a folder of pictures, a file of arrays or an array, brought into the shape and range of training rows.

What loses nothing is done, and said: grey pictures that were saved in colour, colours where training rows are, full
opacity, channels last, a constant border. All else is refused with the remedy.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import torch

from fmdiag.datasets.layout import training_rows
from fmdiag.datasets.load import name_of, open_source
from fmdiag.datasets.pictures import BadPictureError, decode, read_header, resample, strict_decoding
from fmdiag.datasets.readers.images import is_picture
from fmdiag.datasets.source import Part, Reading, chosen_data_root
from fmdiag.datasets.training_set import TrainingSet
from fmdiag.errors import FmdiagError, FmdiagWarning

LARGEST_GAP = 8         # pixels between the pictures of a grid


def load_samples(source, training_set, *, value_range=None, size=None, skip_bad=False):
    """Return samples in model range, of the shape of training rows.

    Parameters
    ----------
    source : str, Path, ndarray or Tensor
        A folder of pictures, a picture, a file that `load_dataset` reads, or the samples.
    training_set : TrainingSet
        Gives the shape.
    value_range : (low, high), optional
        Values that stand for black and white; a network that is not clamped may go beyond them a little.
    size : int, optional
        Side that larger or smaller pictures are cropped and resized to.
    skip_bad : bool
        Leave out unreadable pictures.

    Returns
    -------
    Tensor, float32, shape (n, *shape)

    Raises
    ------
    FmdiagError
        If they are unreadable, or of another shape than training rows and no lossless way leads to it.
    """
    name, reading = name_of(source), Reading(size=size, skip_bad=skip_bad, data_root=chosen_data_root(None))
    source = Path(source) if isinstance(source, (str, os.PathLike)) else source
    part = _part(source, reading)
    rows, divisor, shift = training_rows(part, name, value_range, exact=False)
    samples = TrainingSet(rows, divisor=divisor, shift=shift, name=name)
    if size is not None and samples.shape[1:] != (size, size) and part.divisor is None:
        samples = TrainingSet(resample(rows, size, name), divisor=divisor, shift=shift, name=name)
    return fitted(samples[:], training_set, name=name)


def _part(source, reading):
    if isinstance(source, Path) and source.is_file() and is_picture(source.name):
        try:
            with strict_decoding():
                return Part(decode(source, size=reading.size, grey=read_header(source).grey)[None])
        except BadPictureError as error:
            raise FmdiagError(f"{source}: unreadable picture ({error}); mend it, or give a folder") from error
    parts = open_source(source, reading)
    return (parts.get("train") or parts["all"])()


def fitted(samples, training_set, *, name="samples"):
    """Return samples of shape (n, *shape), converted where nothing is lost by it, with a warning that says how.

    Parameters
    ----------
    samples : Tensor, shape (n, ...)
        In model range.
    training_set : TrainingSet
        Gives the shape; samples of another that cannot be converted are returned as they are.
    name : str
        What they are, for messages.
    """
    changes = []
    for convert in (_one_left_out, _channels_moved, _opaque, _grey, _coloured, _border_cut):
        found = None if tuple(samples.shape[1:]) == training_set.shape else convert(samples, training_set.shape)
        if found is not None:
            samples, words = found
            changes.append(words)
    if changes and tuple(samples.shape[1:]) == training_set.shape:
        warnings.warn(f"{name}: {'; '.join(changes)}", FmdiagWarning, stacklevel=3)
    return samples


def remedy(found, wanted):
    """Return how samples of shape `found` may be made comparable with rows of shape `wanted`, in words.

    Parameters
    ----------
    found, wanted : tuple of int
        Shapes of one sample and of one row.
    """
    if len(wanted) != 3 or len(found) != 3:
        return "give samples of the rows' shape (channels come first)"
    if found[1:] != wanted[1:]:
        return _size_remedy(found, wanted)
    if found[0] == 3 and wanted[0] == 1:
        return ("the samples have colours and the training examples are grey: give training examples in colour, or "
                "grey samples")
    if found[0] == 4 and wanted[0] in (1, 3):
        return "the samples are not opaque, or their 4th channel is no opacity: save them without it"
    return f"give samples of {wanted[0]} channels"


def _size_remedy(found, wanted):
    size = f"{wanted[1]} x {wanted[2]} pixels"
    resized = (f"give samples of {size}, or have pictures of 8 bits cropped to a square and resized with --size "
               f"{wanted[1]}" if wanted[1] == wanted[2] else f"give samples of {size}")
    grid = _grid(found, wanted)
    if grid is None:
        return resized
    k, m, gap = grid
    seen = (f"a picture of {found[1]} x {found[2]} looks like a grid of {k} x {m} samples of {size}"
            + (f", {gap} pixels apart" if gap else "") + ": save every sample as a picture or row of its own")
    return seen if gap else f"{seen}; or, if it is one sample, {resized}"


def _one_left_out(samples, wanted):
    if tuple(samples.shape[1:]) != (1, *wanted):
        return None
    return samples[:, 0], "an axis of length 1 left out"


def _channels_moved(samples, wanted):
    h, w = wanted[1:] if len(wanted) == 3 else (0, 0)
    if samples.ndim != 4 or tuple(samples.shape[1:3]) != (h, w) or samples.shape[3] not in (1, 3, 4):
        return None
    return samples.permute(0, 3, 1, 2), "channels moved from last to first"


def _opaque(samples, wanted):
    if samples.ndim != 4 or samples.shape[1] != 4 or wanted[0] not in (1, 3):
        return None
    alpha = samples[:, 3]
    return (samples[:, :3], "opacity left out, full everywhere") if bool((alpha == 1).all()) else None


def _grey(samples, wanted):
    if samples.ndim != 4 or samples.shape[1] != 3 or len(wanted) != 3 or wanted[0] != 1:
        return None
    grey = samples[:, :1]
    return (grey, "colours left out, as all three are equal") if bool((samples == grey).all()) else None


def _coloured(samples, wanted):
    if samples.ndim != 4 or samples.shape[1] != 1 or len(wanted) != 3 or wanted[0] != 3:
        return None
    return samples.expand(-1, 3, -1, -1), "grey repeated as three colours"


def _border_cut(samples, wanted):
    """Cut a border of one value, as wide on either side, which widens pictures to a size that networks like."""
    if samples.ndim != 4 or len(wanted) != 3 or samples.shape[1] != wanted[0]:
        return None
    spare = [have - want for have, want in zip(samples.shape[2:], wanted[1:], strict=True)]
    if min(spare) < 0 or not any(spare) or any(s % 2 for s in spare):
        return None
    top, left = (s // 2 for s in spare)
    inside = torch.zeros(samples.shape[2:], dtype=torch.bool)
    inside[top : samples.shape[2] - top, left : samples.shape[3] - left] = True
    border = samples[:, :, ~inside]
    if bool((border != border.reshape(-1)[0]).any()):
        return None
    kept = samples[:, :, top : samples.shape[2] - top, left : samples.shape[3] - left]
    return kept, f"a constant border of {top} and {left} pixels cut"


def _grid(found, wanted):
    """Return (rows, columns, gap) of a picture made of pictures, or None: with the gap around all, between, or none."""
    for gap in range(LARGEST_GAP + 1):
        for edge in {gap, 0}:
            counts = [(have - 2 * edge + gap) / (want + gap) for have, want in zip(found[1:], wanted[1:], strict=True)]
            if all(np.equal(c, round(c)) and c >= 1 for c in counts) and max(counts) > 1:
                return int(counts[0]), int(counts[1]), gap
    return None

"""Images of a membership test: as many training images as held-out ones, none in both.

Images count once: duplicates of a training row (mirror images included, where the set has flips) are one image, and a
held-out row that equals a training row was trained on, so it is left out.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.datasets.overlap import usable
from fmdiag.errors import FmdiagError


@dataclass(frozen=True)
class Members:
    """m training images and m held-out images in a random order, and the two sets that they come from.

    Attributes
    ----------
    train_rows, held_out_rows : ndarray of int64, shape (m,)
        Row numbers in their own sets; pair k is (train_rows[k], held_out_rows[k]).
    train, held_out : Tensor, float32, shape (m, *shape)
        The images, model range.
    own_set, other_set : TrainingSet
        As many distinct training rows as distinct held-out rows, the m images of each kind first.
    """

    train_rows: np.ndarray
    held_out_rows: np.ndarray
    train: torch.Tensor
    held_out: torch.Tensor
    own_set: TrainingSet
    other_set: TrainingSet


def draw_members(training_set, held_out=None, *, n_images, n_rows=None, generator):
    """Return the Members: at most n_images of each kind.

    Parameters
    ----------
    training_set : TrainingSet
        The rows that the model was trained on.
    held_out : TrainingSet, Tensor or ndarray, optional
        Rows that it was not trained on; default the training set's own.
    n_images : int
        Images wanted of each kind; there may be fewer.
    n_rows : int, optional
        Rows of `own_set` and `other_set` at most.
    generator : torch.Generator
        Draws them.

    Raises
    ------
    FmdiagError
        If there are no held-out rows, their shape differs, or either side has fewer than two distinct images.
    """
    held_out, free = usable(held_out, training_set, recurring=False)
    _check(held_out, training_set)
    train_rows, held_out_rows = _distinct(training_set), np.intersect1d(_distinct(held_out), free)
    size = min(len(train_rows), len(held_out_rows))
    if size < 2:
        raise FmdiagError(f"{training_set.name}: a membership test needs two distinct images of each kind, got "
                          f"{len(train_rows)} training and {len(held_out_rows)} held-out: give more with --held-out")
    train_rows, held_out_rows = (_shuffled(rows, generator)[:size] for rows in (train_rows, held_out_rows))
    m, size = min(size, n_images), min(size, n_rows or size)
    return Members(train_rows[:m], held_out_rows[:m], training_set[train_rows[:m]], held_out[held_out_rows[:m]],
                   _part(training_set, train_rows[:size], training_set),
                   _part(held_out, held_out_rows[:size], training_set))


def _check(held_out, training_set):
    if held_out is None:
        raise FmdiagError(f"{training_set.name} has no held-out rows to compare with: name some (--held-out PATH), or "
                          "hold out a fraction before training (--held-out 0.1)")
    if held_out.shape != training_set.shape:
        raise FmdiagError(f"held-out rows have shape {held_out.shape}, those of {training_set.name} "
                          f"{training_set.shape}: give rows of one kind, or --size")


def _distinct(rows):
    """Return the stored row numbers that are the first of their content."""
    return np.flatnonzero(np.asarray(duplicate_groups(rows))[: rows.n_stored] == np.arange(rows.n_stored))


def _shuffled(rows, generator):
    return rows[torch.randperm(len(rows), generator=generator).numpy()]


def _part(source, rows, training_set):
    return source.chosen(rows, labels=None, groups=None, hflip=training_set.hflip, held_out_source=None)

"""Images of a membership test: as many training images as held-out ones, exchangeable but for having been trained on.

Content that recurs in the whole pool, mirrored or not, is left out on both sides (see `fmdiag.datasets.recurring`), and
of each group one row is drawn: what is left could as well be on the other side.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.datasets.groups import one_per_group
from fmdiag.datasets.overlap import usable
from fmdiag.datasets.recurring import recurring
from fmdiag.errors import FmdiagError

LEAST = 8   # images a side; of fewer no test of one question in several could find anything


class TooFewImages(FmdiagError):
    """Too few images are left to compare: the field is not judged."""


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
        As many training rows as held-out rows, the m images of each kind first.
    n_recurring : tuple of int
        Training and held-out rows left out because their content recurs.
    """

    train_rows: np.ndarray
    held_out_rows: np.ndarray
    train: torch.Tensor
    held_out: torch.Tensor
    own_set: TrainingSet
    other_set: TrainingSet
    n_recurring: tuple = (0, 0)


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
        If there are no held-out rows, or their shape differs.
    TooFewImages
        If either side has fewer than LEAST images that do not recur.
    """
    pool = usable(held_out, training_set)[0] if held_out is not None else training_set.unseen and training_set.held_out
    _check(pool, training_set)
    again = recurring(training_set, pool)
    train_rows, held_out_rows = (one_per_group(_shuffled(np.flatnonzero(~found), generator), rows.groups)
                                 for found, rows in zip(again, (training_set, pool), strict=True))
    size = min(len(train_rows), len(held_out_rows))
    counts = tuple(int(found.sum()) for found in again)
    if size < LEAST:
        raise TooFewImages(_reason(training_set, pool, len(train_rows), len(held_out_rows), counts))
    train_rows, held_out_rows = train_rows[:size], held_out_rows[:size]
    m, size = min(size, n_images), min(size, n_rows or size)
    return Members(train_rows[:m], held_out_rows[:m], training_set[train_rows[:m]], pool[held_out_rows[:m]],
                   _part(training_set, train_rows[:size], training_set),
                   _part(pool, held_out_rows[:size], training_set), counts)


def equal_sets(training_set):
    """Return (training rows, held-out rows), TrainingSets of one size: the reference for what is said of training rows.

    A model that knows nothing of the split does to one what it does to the other. None where there are no held-out
    rows, or too few are left. Which rows they are is fixed.
    """
    if training_set.unseen is None:
        return None
    try:
        members = draw_members(training_set, n_images=1, generator=torch.Generator().manual_seed(0))
    except TooFewImages:
        return None
    return members.own_set, members.other_set


def _check(held_out, training_set):
    if held_out is None or held_out is False:
        raise FmdiagError(f"{training_set.name} has no held-out examples to compare with: name some (--held-out PATH), "
                          f"or "
                          "hold out a fraction before training (--held-out 0.1)")
    if held_out.shape != training_set.shape:
        raise FmdiagError(f"held-out examples have shape {held_out.shape}, those of {training_set.name} "
                          f"{training_set.shape}: give rows of one kind, or --size")


def _reason(training_set, held_out, n_train, n_held_out, counts):
    grouped = " groups, of which one row each is drawn," if training_set.groups is not None else ""
    again = (f" ({counts[0]} of {training_set.n_stored} training and {counts[1]} of {held_out.n_stored} held-out "
             f"examples "
             "have content that recurs and says nothing of membership)" if any(counts) else "")
    advice = "give more with --held-out" if n_train >= LEAST else "no held-out examples can make up for training images"
    return (f"{training_set.name}: a membership test needs {LEAST} images of each kind, got {n_train} training and "
            f"{n_held_out} held-out{grouped} images{again}: {advice}")


def _shuffled(rows, generator):
    return rows[torch.randperm(len(rows), generator=generator).numpy()]


def _part(source, rows, training_set):
    return source.chosen(rows, labels=None, groups=None, hflip=training_set.hflip, held_out_source=None)

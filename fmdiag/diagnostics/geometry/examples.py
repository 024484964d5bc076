"""Points at which the geometry of a field is looked at: training examples, held-out examples, and samples of the model.

Training and held-out examples come in pairs, as in a membership test: content that recurs is left out and one example
is drawn of each group, so that the members of a pair could as well have changed places before training. û* of held-out
examples is made of as many of them as of training examples; for one of them, of the others.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from fmdiag.datasets.groups import one_per_group
from fmdiag.datasets.overlap import usable
from fmdiag.diagnostics.membership.examples import TooFewImages, draw_members
from fmdiag.diagnostics.points.measurable import measurable

SOURCES = ("train", "heldout", "model")


@dataclass(frozen=True)
class Examples:
    """Points of up to three sources, one after the other in the order of SOURCES.

    Attributes
    ----------
    source : ndarray of str, shape (N,)
    number : ndarray of int64, shape (N,)
        Row in its own set, or number of the sample.
    pair : ndarray of int64, shape (N,)
        Number within its source: of train and heldout, of the pair.
    points : Tensor, float32, shape (N, *shape)
        Model range.
    other_set : TrainingSet or None
        Held-out examples, of which û* is made.
    own_rows : ndarray of int64, shape (N, k)
        Rows of `other_set` that a point is itself, with its mirror image; -1 for none.
    remarks : tuple of str
        What a reader must know of how they were chosen.
    """

    source: np.ndarray
    number: np.ndarray
    pair: np.ndarray
    points: torch.Tensor
    other_set: object = None
    own_rows: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.int64))
    remarks: tuple = ()


def draw_examples(training_set, samples=None, held_out=None, *, n_images, generator):
    """Return the Examples: at most n_images of each kind, of samples the first ones.

    Without held-out examples, or with too few of them, there is no null, which `remarks` says.

    Raises
    ------
    FmdiagError
        If the shapes differ, or no sample is finite.
    """
    pool = training_set.unseen and training_set.held_out if held_out is None else usable(held_out, training_set)[0]
    found, other_set, remarks = {}, None, []
    try:
        if not pool:
            raise TooFewImages(f"{training_set.name} has no held-out examples")
        members = draw_members(training_set, held_out, n_images=n_images, generator=generator)
    except TooFewImages as reason:
        remarks.append(f"geometry has no null, so that nothing is said of memorisation: {reason}")
        rows = one_per_group(torch.randperm(training_set.n_stored, generator=generator).numpy(), training_set.groups)
        found["train"] = rows[:n_images], training_set[rows[:n_images]]
    else:
        other_set, recurring = members.other_set, members.n_recurring
        found["train"], found["heldout"] = (members.train_rows, members.train), (members.held_out_rows,
                                                                                 members.held_out)
        if any(recurring):
            remarks.append(f"geometry looks at none of {recurring[0]} training and {recurring[1]} held-out examples, "
                           "whose content recurs")
    if samples is not None:
        numbers, finite, remark = measurable(samples[:n_images], training_set)
        found["model"] = numbers, finite
        remarks += [remark] if remark else []
    return _joined(found, other_set, remarks)


def _joined(found, other_set, remarks):
    sizes = {source: len(rows) for source, (rows, _) in found.items()}
    pair = np.concatenate([np.arange(size) for size in sizes.values()])
    source = np.repeat(list(sizes), list(sizes.values()))
    own = np.full((len(pair), 2), -1)
    if other_set is not None:   # held-out images come first in it; mirror images follow all of them
        mirrored = pair + other_set.n_stored if other_set.hflip else np.full_like(pair, -1)
        own = np.where((source == "heldout")[:, None], np.stack([pair, mirrored], 1), own)
    return Examples(source, np.concatenate([rows for rows, _ in found.values()]).astype(np.int64), pair,
                    torch.cat([points.float() for _, points in found.values()]), other_set, own, tuple(remarks))

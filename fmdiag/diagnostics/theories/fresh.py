"""Fresh examples, and equal sets to fit theories on: training examples and as many held-out ones.

A state on the path of a training example contains that example, and every field of the population is nearer to a fit
that holds it. So the two fits are compared only at states whose example is in neither: on paths of held-out examples
that are kept for this, and on the model's own trajectories. Content that recurs in the pool is left out on both sides
and of each group one example is drawn, so that the examples of either set could as well be in the other one.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.datasets.groups import one_per_group
from fmdiag.datasets.overlap import usable
from fmdiag.datasets.recurring import recurring

LEAST = 8      # examples a side: as many as groups of the jackknife
MOST = 256     # examples a side


@dataclass(frozen=True)
class Fresh:
    """Held-out examples for states, and the two sets that theories are fitted on.

    Attributes
    ----------
    states : Tensor, float32, shape (m, *shape)
        Held-out examples, different ones, none of them in either set.
    sets : dict of str to TrainingSet
        Under "train" and "heldout" equally many examples; empty where there are too few.
    remark : str or None
        Why the sets are empty.
    """

    states: torch.Tensor
    sets: dict
    remark: str | None = None


def fresh_examples(training_set, n_states, *, held_out=None, n_equal=MOST, generator):
    """Return the Fresh: at most n_states examples for states, at most n_equal in either set.

    Parameters
    ----------
    training_set : TrainingSet
        The examples that the model was trained on.
    n_states, n_equal : int
        Wanted; there may be fewer. At most half of the held-out examples are for states.
    held_out : TrainingSet, Tensor or ndarray, optional
        Default the training set's own.
    generator : torch.Generator
        Draws them.

    Raises
    ------
    FmdiagError
        If the held-out examples are of another shape, or all of them are training examples.
    """
    pool = usable(held_out, training_set)[0] if held_out is not None else training_set.unseen
    nothing = torch.empty(0, *training_set.shape)
    if pool is None:
        return Fresh(nothing, {}, f"{training_set.name} has no held-out examples (--held-out PATH)")
    again = recurring(training_set, pool)
    train, held = (_drawn(np.flatnonzero(~found), rows, generator)
                   for found, rows in zip(again, (training_set, pool), strict=True))
    m = min(n_states, len(held) // 2)
    states, held = held[:m], held[m:]
    size = min(len(train), len(held), n_equal)
    shown = pool[states] if m else nothing
    if size < LEAST:
        return Fresh(shown, {}, f"{training_set.name}: {len(train)} training and {len(held)} held-out examples are "
                                f"left to fit theories on, fewer than {LEAST} of either kind; give more (--held-out "
                                "PATH)")
    return Fresh(shown, {"train": part(training_set, train[:size], training_set),
                         "heldout": part(pool, held[:size], training_set)})


def part(source, rows, training_set) -> TrainingSet:
    """Return some stored rows of a set, with mirror images where the training set has them."""
    return source.chosen(rows, labels=None, groups=None, hflip=training_set.hflip, held_out_source=None)


def _drawn(rows, source, generator):
    """Return the rows in a random order, of each group the first only."""
    rows = rows[torch.randperm(len(rows), generator=generator).numpy()]
    return one_per_group(rows, source.groups)

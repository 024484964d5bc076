"""Starts of U-turns: training and held-out examples in pairs, and the examples that each must stay apart from.

Which competitors a start has decides how easily it counts as returned. All starts have the same ones, the *pool*:

    every start of either kind, and every training example that is no start and in no group (nor mirror image) of one,

and a pair's two members are left out for each other. Had the members of some pairs changed places before training, the
pool would be the same. So for a field that was made without knowledge of which of the two was trained on, the members
of every pair can be exchanged, in all pairs independently and whatever the pool holds: the test of
`fmdiag.diagnostics.uturn.summary` is exact. "Nearer than any other training example" alone would not be: there each
training start is a competitor of all others, and no held-out start is.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.datasets.groups import one_per_group
from fmdiag.datasets.overlap import usable
from fmdiag.diagnostics.membership.examples import TooFewImages, draw_members
from fmdiag.errors import FmdiagError


@dataclass(frozen=True)
class Starts:
    """m training examples, as many held-out ones or none, and the pool.

    Attributes
    ----------
    images : dict of str to Tensor, float32, shape (m, *shape)
        "train" and, where there are any, "heldout"; number k of both is pair k.
    rows, labels : dict of str to ndarray of int64, shape (m,)
        Row numbers in their own sets; class labels, absent where a set has none.
    rest : ndarray of int64
        Training rows of the pool that are no starts, flips counted, ascending.
    remarks : tuple of str
        What a reader must know of how they were chosen.
    """

    images: dict
    rows: dict
    labels: dict
    rest: np.ndarray
    remarks: tuple = ()

    @property
    def sources(self):
        """The kinds of starts, in order."""
        return tuple(self.images)

    @property
    def n(self):
        """Number of starts of each kind."""
        return len(self.rows["train"])


def draw_starts(training_set, held_out=None, *, n_starts, generator):
    """Return the Starts: at most n_starts of each kind.

    With held-out examples, content that recurs in either set is left out and one example is drawn of each group, as in
    a membership test. Without, or with fewer than 8 of them, there are training starts only, of all contents.

    Raises
    ------
    FmdiagError
        If n_starts is less than 2, or the held-out examples have another shape.
    """
    if n_starts < 2:
        raise FmdiagError(f"n_starts must be at least 2, got {n_starts}")
    pool = training_set.unseen and training_set.held_out if held_out is None else usable(held_out, training_set)[0]
    if not pool:
        return _alone(training_set, n_starts, generator, f"{training_set.name} has no held-out examples: uturn "
                      "measures training starts only, which says nothing of memorisation by itself")
    try:
        members = draw_members(training_set, held_out, n_images=n_starts, generator=generator)
    except TooFewImages as reason:
        return _alone(training_set, n_starts, generator, f"uturn measures training starts only: {reason}")
    rows = {"train": members.train_rows, "heldout": members.held_out_rows}
    recurring = members.n_recurring
    remarks = (f"uturn starts from none of {recurring[0]} training and {recurring[1]} held-out examples, whose content "
               "recurs",) if any(recurring) else ()
    return Starts({"train": members.train, "heldout": members.held_out}, rows,
                  _labels({"train": training_set, "heldout": pool}, rows), _rest(training_set, rows["train"]), remarks)


def _alone(training_set, n_starts, generator, remark):
    """Return the Starts of training examples only: one of each group, any content."""
    order = torch.randperm(training_set.n_stored, generator=generator).numpy()
    rows = {"train": one_per_group(order, training_set.groups)[:n_starts]}
    return Starts({"train": training_set[rows["train"]]}, rows, _labels({"train": training_set}, rows),
                  _rest(training_set, rows["train"]), (remark,))


def _labels(sets, rows):
    return {source: np.asarray(sets[source].labels)[rows[source]] for source in sets
            if sets[source].labels is not None}


def _rest(training_set, starts):
    """Return the training rows of the pool that are no starts, of no start's group, and no mirror image of one."""
    kept = np.ones(training_set.n_stored, bool)
    kept[starts] = False
    if training_set.groups is not None:
        kept &= ~np.isin(training_set.groups, training_set.groups[starts])
    rest = np.flatnonzero(kept)
    return np.concatenate([rest, rest + training_set.n_stored]) if training_set.hflip else rest

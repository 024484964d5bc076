"""States at which a field is compared with û*: on training and held-out paths, on its own and on û*'s trajectories.

    train         x_t = alpha_t X_i + sigma_t x0, X_i a training row
    heldout       x_t = alpha_t z + sigma_t x0, z a held-out row in the place of X_i, the same noise x0
    model         the field's own trajectory from x0
    closed_form   û*'s trajectory from x0, by its own steps

Each distinct training row among the pairs has one held-out partner, which takes its place in all its pairs, mirrored
where it is: pairs of rows that could as well change places (`unit` numbers them). Rows whose content recurs in either
set are no units, and of each group of rows one is.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.datasets.groups import one_per_group
from fmdiag.datasets.recurring import recurring
from fmdiag.diagnostics.points.pairs import Pairs
from fmdiag.errors import FmdiagError, FmdiagWarning, check_choice

KINDS = ("train", "heldout", "model", "closed_form")
NO_HELD_OUT = ("{name} has no held-out examples: states on held-out paths, and the gap of the loss, are left out "
               "(--held-out PATH names some, --held-out 0.1 holds out a fraction before training)")


def chosen_kinds(states, training_set):
    """Return the kinds of states wanted, in the order of KINDS.

    Parameters
    ----------
    states : str, sequence of str, or None
        Names of KINDS, hyphens for underscores and commas between several accepted; None or empty: all that apply.
    training_set : TrainingSet
        Without held-out rows heldout is left out, with a warning where it was asked for.

    Raises
    ------
    FmdiagError
        If a name is unknown, or nothing is left.
    """
    parts = [states] if isinstance(states, str) else list(states or ())
    names = [name.strip().replace("-", "_") for part in parts for name in str(part).split(",")]
    for name in names:
        check_choice("kind of states", name, KINDS)
    wanted = [kind for kind in KINDS if kind in names or not names]
    if "heldout" not in wanted or training_set.unseen is not None:
        return wanted
    reason = NO_HELD_OUT.format(name=training_set.name)
    if wanted == ["heldout"]:
        raise FmdiagError(reason)
    if names:
        warnings.warn(reason, FmdiagWarning, stacklevel=3)
    return [kind for kind in wanted if kind != "heldout"]


@dataclass(frozen=True)
class Partners:
    """Held-out rows in the places of training rows.

    Attributes
    ----------
    pairs : Pairs
        The pairs with a partner: their noise, the held-out row (float32, model range), and its number in its set.
    numbers : Tensor of int64
        Which pairs these are.
    units : ndarray of int64, shape (all pairs,)
        Stored training row, or -1 where the pair counts in no comparison of training with held-out states.
    """

    pairs: Pairs
    numbers: torch.Tensor
    units: np.ndarray


def partners(training_set, pairs, *, generator):
    """Return the Partners of pairs; fewer than the pairs where there are fewer held-out rows than training rows."""
    pool, stored = training_set.unseen, pairs.rows.numpy() % training_set.n_stored
    distinct, place = np.unique(stored, return_inverse=True)
    again, again_out = recurring(training_set, pool)
    order = torch.randperm(pool.n_stored, generator=generator).numpy()
    counting = one_per_group(order[~again_out[order]], pool.groups)
    # Those that count go to training rows that count as far as they last.
    counted = np.isin(distinct, one_per_group(distinct[~again[distinct]], training_set.groups))
    order = np.concatenate([counting, order[~np.isin(order, counting)]])[: len(distinct)]
    partner, shuffled = np.full(len(distinct), -1), torch.randperm(len(distinct), generator=generator).numpy()
    partner[shuffled[np.argsort(~counted[shuffled], kind="stable")][: len(order)]] = order
    fair = counted & (partner >= 0) & np.isin(partner, counting)
    numbers = np.flatnonzero(partner[place] >= 0)
    rows = partner[place][numbers]
    x1, mirrored = pool[rows], torch.as_tensor(pairs.rows.numpy()[numbers] >= training_set.n_stored)
    if bool(mirrored.any()):
        x1 = torch.where(mirrored.reshape(-1, *[1] * (x1.ndim - 1)), x1.flip(-1), x1)
    units = np.where(fair[place], stored, -1)
    return Partners(Pairs(pairs.x0[numbers], x1, torch.as_tensor(rows)), torch.as_tensor(numbers), units)

"""Nearness of samples to training and held-out examples alike: how near the nearest of both is, and which kind it is.

With s the distance of a sample to the tenth nearest example of the two sets together (fewer where there are fewer),

    near = min(d1, d_heldout) / s,

which says nothing of which set an example belongs to, so that the label of the nearest one decides by itself
(`fmdiag.stats.label_test`). A tenth neighbour is beyond an example's near-duplicates, which the second, of d1/d2, is
not. Examples within a third of s count as come near, as a sample within a third of d2 counts as a copy: a model that
knows its training examples without copying them draws samples that lean towards them at larger distances too. Equal
distances to both sets (one content in both) decide nothing.
"""

import numpy as np
import pandas as pd

from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.diagnostics.points.nearest_rows import nearest_rows
from fmdiag.stats.label_test import Hits

NEIGHBOR = 10
NEAR = 1 / 3
COLUMNS = ("d_heldout", "near", "hit")


def columns(points, found, training_set, held_out, *, feature, device, group, plan):
    """Return d_heldout, near and hit of each point, a DataFrame.

    Parameters
    ----------
    points : Tensor, shape (n, *shape)
    found : DistinctNeighbors
        Of the points among the training examples, with the distances of NEIGHBOR nearest ones.
    training_set, held_out : TrainingSet
        No example of the second is one of the first.
    feature, device, group, plan
        As in `nearest_rows`.

    Returns
    -------
    DataFrame
        hit: number of the nearest example's unit, a training example's or its group's from 0 on, a held-out one's
        -1 - number; NaN where both sets are equally near.
    """
    null = nearest_rows(points, held_out, feature=feature, device=device, group=group, plan=plan, n_near=NEIGHBOR)
    trained = unit_numbers(training_set)[found.rows1 % training_set.n_stored]
    unseen = -1 - unit_numbers(held_out)[null.rows1 % held_out.n_stored]
    hit = np.where(found.d1 < null.d1, trained, unseen).astype(float)
    hit[found.d1 == null.d1] = np.nan
    near = nearness(np.minimum(found.d1, null.d1), np.concatenate([found.near, null.near], axis=1))
    return pd.DataFrame({"d_heldout": null.d1, "near": near, "hit": hit})


def nearness(least, distances):
    """Return the least distance, shape (n,), in units of that of the tenth nearest, of all `distances` (n, k)."""
    both = np.sort(distances, axis=1)
    place = np.minimum(NEIGHBOR, np.isfinite(both).sum(1)) - 1
    scale = both[np.arange(len(both)), place]
    return np.divide(least, scale, out=np.zeros_like(least), where=scale > 0)


def searched(held_out, free):
    """Return the TrainingSet of the held-out rows numbered `free`."""
    kept = free[free < held_out.n_stored]
    return held_out if len(kept) == held_out.n_stored else held_out.chosen(kept)


def unit_numbers(rows):
    """Return what each stored row of a TrainingSet counts as, int64, shape (n_stored,): its group, or its content."""
    groups = getattr(rows, "groups", None)
    if groups is not None:
        return np.asarray(groups)[: rows.n_stored]
    return np.asarray(duplicate_groups(rows))[: rows.n_stored] % rows.n_stored


def count_units(rows):
    """Return how many units the stored rows of a TrainingSet are."""
    return len(np.unique(unit_numbers(rows)))


def pool(training_set, held_out, table):
    """Return (N, M), how many units of either set a sample could come nearest to.

    Content of both sets decides nothing and is taken off both, as many as the held-out rows of a memorization table
    that equal training rows tell.
    """
    n_train, n_held_out = count_units(training_set), count_units(held_out)
    null = table[table["source"] == "heldout"]
    shared = round(float((null["d1"] == 0).mean()) * n_held_out) if len(null) else 0
    return max(1, n_train - shared), max(1, n_held_out - shared)


def hits(part):
    """Return the Hits of the model's rows of one feature space, or None where no held-out examples were searched."""
    if "near" not in part or part["near"].isna().all():
        return None
    rows = part[part["hit"].notna() & (part["near"] < NEAR)].sort_values("near", kind="stable")
    first = rows.drop_duplicates("hit")
    numbers = first["hit"].to_numpy().astype(int)
    return Hits(numbers, numbers >= 0, first["near"].to_numpy())

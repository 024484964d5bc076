"""Agreement of two models: how near their samples from the same noise are, beside the training sets of both.

Models trained on disjoint halves of one distribution that have learnt the distribution, not their rows, agree: their
samples from one noise are nearer to each other than to any training row. Models that memorise return their own rows,
and disagree.

Per noise: the distance and cosine of the two samples, and of each sample to the nearest row of its own training set.
Each has a reference. Of agreement: the distance of samples from *different* noises, which is what the distribution
alone has in common. Of nearness to training rows: the nearest of as many held-out rows. Two perfect samplers that turn
noise into samples in somewhat different ways are nearer to training rows than to each other, and as near to held-out
rows: only the difference to these says something of the training set.

Generalisation: samples of one noise are far nearer than those of different noises, and no nearer to training rows than
to held-out rows. Memorisation: each sample is nearer to its own training rows than to held-out rows; the two are as far
apart as those of different noises.

References
----------
Kadkhodaie, Guth, Simoncelli, Mallat 2024, "Generalization in diffusion models arises from geometry-adaptive harmonic
representations", figure 2; Zhang et al. 2024, "The emergence of reproducibility and consistency in diffusion models".
The cosine is of deviations from the mean of the first training set's rows (open: our choice).
"""

import numpy as np
import pandas as pd
import torch

from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.membership.examples import equal_sets
from fmdiag.diagnostics.points.measurable import diverged, noted, say_left_out
from fmdiag.diagnostics.points.pairs import cosine
from fmdiag.diagnostics.points.pictures import as_pictures
from fmdiag.errors import FmdiagError
from fmdiag.fields import as_field
from fmdiag.neighbors import nearest
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import draw_noise, sample, seeded
from fmdiag.stats import row, summary_row, two_way_interval

NAME = "agreement"
MEAN_ROWS = 4096


def measure(fields, training_sets, *, n_samples=256, n_steps=100, method="euler", feature=None, device="cpu",
            group=SINGLE, generator=None, seed=0):
    """Return how alike the samples of two fields from the same noises are, a row per noise.

    Parameters
    ----------
    fields : pair of callable
        v(x, t).
    training_sets : pair of TrainingSet
        The rows that each was trained on.
    n_samples, n_steps, method
        Noises and solver, as in `fmdiag.hybrid`.
    feature : callable, optional
        Images to vectors; without it distances and cosines are those of pixels.
    device, group, generator, seed
        As in `fmdiag.alignment`.

    Returns
    -------
    DataFrame
        Columns sample; distance, cosine (of the two samples from this noise); distance_other, cosine_other (of the
        first model's sample from this noise and the second's from the next); nearest_a, nearest_b (rows),
        train_distance_a, train_distance_b, train_cosine_a, train_cosine_b (each sample and its nearest row); closer
        (whether the two samples are nearer to each other than either is to its own training set). For each model whose
        training set has held-out rows: equal_train_a, equal_heldout_a (distance to the nearest of equally many rows of
        either kind) and equal_train_row_a, equal_heldout_row_a (which); likewise with b.

    Raises
    ------
    FmdiagError
        If the training sets' rows have different shapes, or there are fewer than two samples.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits", n=20)
    >>> u_star = fmdiag.ClosedFormField(train)
    >>> table = measure((u_star, u_star), (train, train), n_samples=4)
    >>> float(table.distance.max()), round(float(table.cosine.min()), 6)
    (0.0, 1.0)
    """
    training_sets, generator = tuple(map(as_training_set, training_sets)), seeded(generator, seed)
    return compare(draw(fields, training_sets, n_samples=n_samples, n_steps=n_steps, method=method, group=group,
                        generator=generator), training_sets, feature=feature, device=device)


def draw(fields, training_sets, *, n_samples=256, n_steps=100, method="euler", group=SINGLE, generator):
    """Return the pair of samples of both fields from the same noises, each of shape (n_samples, *shape)."""
    a, b = training_sets
    fields = [as_field(field) for field in fields]
    if a.shape != b.shape:
        raise FmdiagError(f"agreement: the first model has samples of shape {a.shape} ({a.name}), the second of "
                          f"{b.shape} ({b.name}): only models of one shape start from the same noise")
    if n_samples < 2:
        raise FmdiagError(f"n_samples must be at least 2, got {n_samples}")
    noise = draw_noise(n_samples, a.shape, generator=generator)
    return tuple(torch.cat(group.spread(noise, lambda mine, field=field: sample(field, mine, n_steps, method)))
                 for field in fields)


def compare(samples, training_sets, *, feature=None, device="cpu"):
    """Return the table of `measure` for the pair of samples."""
    centre = _vectors(training_sets[0][np.arange(0, training_sets[0].n, max(1, training_sets[0].n // MEAN_ROWS))],
                      feature).mean(0)
    lost = diverged(samples[0], training_sets[0]).cpu() | diverged(samples[1], training_sets[1]).cpu()
    remark = say_left_out(lost, "pairs")
    samples = [x.cpu()[~lost] for x in samples]
    vectors = [_vectors(x, feature) for x in samples]
    found = [nearest(x, rows, feature=feature, device=device) for x, rows in zip(samples, training_sets, strict=True)]
    shifted = vectors[1].roll(-1, 0)
    columns = {"sample": np.flatnonzero(~lost), "distance": (vectors[0] - vectors[1]).norm(dim=1).numpy(),
               "cosine": cosine(vectors[0] - centre, vectors[1] - centre).numpy(),
               "distance_other": (vectors[0] - shifted).norm(dim=1).numpy(),
               "cosine_other": cosine(vectors[0] - centre, shifted - centre).numpy()}
    for name, x, near, rows in zip("ab", vectors, found, training_sets, strict=True):
        columns |= {f"nearest_{name}": near.rows[:, 0], f"train_distance_{name}": near.distances[:, 0],
                    f"train_cosine_{name}": cosine(x - centre, _vectors(rows[near.rows[:, 0]], feature)
                                                   - centre).numpy()}
    for name, x, rows in zip("ab", samples, training_sets, strict=True):
        columns |= _reference(name, x, equal_sets(rows), feature, device)
    table = pd.DataFrame(columns)
    closer = table["distance"] < table[["train_distance_a", "train_distance_b"]].min(axis=1)
    return noted(table.assign(closer=closer), remark)


def _reference(name, samples, sets, feature, device):
    """Return the columns of the nearest of equally many training and held-out rows; none without these."""
    columns = {}
    for kind, rows in zip(("train", "heldout"), sets or (), strict=False):
        near = nearest(samples, rows, feature=feature, device=device)
        columns |= {f"equal_{kind}_{name}": near.distances[:, 0], f"equal_{kind}_row_{name}": near.rows[:, 0]}
    return columns


def _vectors(images, feature):
    vectors = images.float() if feature is None else feature(images.float())
    return vectors.cpu().double().flatten(1)


def summarise(table):
    """Return the summary rows: means of distances and cosines; closer (exact); paired differences.

    agreement is the mean over noises of distance_other minus distance; excess_cosine that of cosine minus cosine_other:
    both 0 where the two models have only the distribution in common. advantage is that of the smaller train_distance
    minus distance, which says nothing of memorisation. nearer_train_a (and _b) is that of equal_heldout minus
    equal_train, 0 for a model that knows nothing of its training rows, with an interval clustered by both nearest rows.
    """
    kinds = ("distance", "cosine", "train_", "equal_")
    names = [name for name in table if name.startswith(kinds) and "row" not in name]
    rows = [summary_row(NAME, name, table[name]) for name in names]
    nearest_row = table[["train_distance_a", "train_distance_b"]].min(axis=1)
    rows += [summary_row(NAME, "closer", table["closer"], interval="exact"),
             summary_row(NAME, "advantage", nearest_row - table["distance"]),
             summary_row(NAME, "agreement", table["distance_other"] - table["distance"]),
             summary_row(NAME, "excess_cosine", table["cosine"] - table["cosine_other"])]
    for name in "ab":
        if f"equal_train_{name}" in table:
            found = two_way_interval(table[f"equal_heldout_{name}"] - table[f"equal_train_{name}"],
                                     table[f"equal_train_row_{name}"], table[f"equal_heldout_row_{name}"])
            rows.append(row(NAME, f"nearer_train_{name}", found, n=len(table), interval="two-way clustered"))
    return pd.DataFrame(rows)


def verdict(summary):
    """Return what the summary shows in sentences, each decided by the interval of a difference to its reference."""
    rows = summary[summary["diagnostic"] == NAME].set_index("quantity")
    same, other = rows.loc["distance", "value"], rows.loc["distance_other", "value"]
    start = {1: "The models agree: their samples from one noise are nearer to each other than from different noises",
             0: "No agreement found: samples from one noise are not shown to be nearer than from different noises",
             -1: "The models' samples from one noise are farther apart than from different noises"}[
        _side(rows.loc["agreement"])]
    return f"{start} (distance {same:.3g} and {other:.3g}). " + " ".join(map(_of_training, (rows, rows), "ab"))


def _of_training(rows, name):
    """Return the sentence on the nearest training rows of one model, beside held-out rows."""
    model = {"a": "first", "b": "second"}[name]
    if f"nearer_train_{name}" not in rows.index:
        return (f"The {model} model's training set has no held-out examples to compare with: its distance "
                f"{rows.loc[f'train_distance_{name}', 'value']:.3g} to the nearest training example is no evidence.")
    difference = rows.loc[f"nearer_train_{name}"]
    claim = {1: "nearer to training examples than to as many held-out examples",
             0: "not shown to be nearer to training examples than to as many held-out examples",
             -1: "farther from training examples than from as many held-out examples"}[_side(difference)]
    return (f"The {model} model's samples are {claim}: {rows.loc[f'equal_train_{name}', 'value']:.3g} and "
            f"{rows.loc[f'equal_heldout_{name}', 'value']:.3g}, difference {difference['value']:.2g} "
            f"[{difference['low']:.2g}, {difference['high']:.2g}].")


def _side(difference):
    return 1 if difference["low"] > 0 else -1 if difference["high"] < 0 else 0


def pictures(samples, table, training_sets, m=8, *, decoder=None):
    """Return the arrays of the figure: both models' first samples and their nearest rows, uint8; {} for vectors."""
    arrays = {}
    for name, x, rows in zip("ab", samples, training_sets, strict=True):
        near = rows[table[f"nearest_{name}"].to_numpy()[:m]]
        arrays[f"samples_{name}"] = as_pictures(x[:m].cpu(), training_sets[0], decoder)
        arrays[f"nearest_{name}"] = as_pictures(near, training_sets[0], decoder)
    return {name: images for name, images in arrays.items() if images is not None}

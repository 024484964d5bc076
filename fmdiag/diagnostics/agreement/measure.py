"""Agreement of two models: how near their samples from the same noise are, beside the training sets of both.

Models trained on disjoint halves of one distribution that have learnt the distribution, not their rows, agree: their
samples from one noise are nearer to each other than to any training row. Models that memorise return their own rows,
and disagree.

Per noise: the distance and cosine of the two samples, and of each sample to the nearest row of its own training set.
The null is the distance of samples from *different* noises: what the distribution alone has in common.

Generalisation: sample to sample is nearer than sample to training row, and far nearer than samples of different noises.
Memorisation: each sample is near a row of its own set; the two are as far apart as those of different noises.

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
from fmdiag.diagnostics.points.measurable import diverged, noted, say_left_out
from fmdiag.diagnostics.points.pairs import cosine
from fmdiag.diagnostics.points.pictures import as_pictures
from fmdiag.errors import FmdiagError
from fmdiag.fields import as_field
from fmdiag.neighbors import nearest
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import draw_noise, sample, seeded
from fmdiag.stats import summary_row

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
        (whether the two samples are nearer to each other than either is to its own training set).

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
    table = pd.DataFrame(columns)
    closer = table["distance"] < table[["train_distance_a", "train_distance_b"]].min(axis=1)
    return noted(table.assign(closer=closer), remark)


def _vectors(images, feature):
    vectors = images.float() if feature is None else feature(images.float())
    return vectors.cpu().double().flatten(1)


def summarise(table):
    """Return the summary rows: means of distances and cosines; closer (exact); advantage, paired.

    advantage is the mean over noises of the smaller train_distance minus distance: positive where the two models agree
    more with each other than with what they were trained on; excess_cosine is cosine minus cosine_other, paired.
    """
    names = [name for name in table if name.startswith(("distance", "cosine", "train_"))]
    rows = [summary_row(NAME, name, table[name]) for name in names]
    nearest_row = table[["train_distance_a", "train_distance_b"]].min(axis=1)
    rows += [summary_row(NAME, "closer", table["closer"], interval="exact"),
             summary_row(NAME, "advantage", nearest_row - table["distance"]),
             summary_row(NAME, "excess_cosine", table["cosine"] - table["cosine_other"])]
    return pd.DataFrame(rows)


def verdict(summary):
    """Return the verdict as a sentence, decided by the interval of the advantage."""
    rows = summary[summary["diagnostic"] == NAME].set_index("quantity")
    advantage, closer = rows.loc["advantage"], rows.loc["closer"]
    if advantage["low"] > 0:
        start = "The models agree beyond their training rows"
    elif advantage["high"] < 0:
        start = "The models' samples are nearer to training rows than to each other"
    else:
        start = "Undecided: the samples are as near to each other as to training rows"
    return (f"{start}: distance {rows.loc['distance', 'value']:.3g} from one noise, "
            f"{rows.loc['distance_other', 'value']:.3g} from different noises, "
            f"{rows.loc['train_distance_a', 'value']:.3g} and {rows.loc['train_distance_b', 'value']:.3g} to the "
            f"nearest training rows; nearer to each other for {closer['value']:.1%} [{closer['low']:.1%}, "
            f"{closer['high']:.1%}] of {closer['n']:.0f} noises.")


def pictures(samples, table, training_sets, m=8, *, decoder=None):
    """Return the arrays of the figure: both models' first samples and their nearest rows, uint8; {} for vectors."""
    arrays = {}
    for name, x, rows in zip("ab", samples, training_sets, strict=True):
        near = rows[table[f"nearest_{name}"].to_numpy()[:m]]
        arrays[f"samples_{name}"] = as_pictures(x[:m].cpu(), training_sets[0], decoder)
        arrays[f"nearest_{name}"] = as_pictures(near, training_sets[0], decoder)
    return {name: images for name, images in arrays.items() if images is not None}

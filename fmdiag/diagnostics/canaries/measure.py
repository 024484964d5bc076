"""Canaries: how many planted images come back, and from which multiplicity on.

A canary has come back if a sample is a copy of it by the rule of `memorization`: d(sample, canary) is less than a third
of the distance to the nearest other candidate. Candidates are the training rows and all canaries, held-out ones too, so
that a held-out canary is found as easily as a planted one. Chance decided which were planted: held-out canaries are the
null, and the loss of planted ones below that of held-out ones is an effect of training.

Memorisation: the share that comes back rises with the multiplicity above that of held-out canaries.

References
----------
Carlini et al. 2019, "The Secret Sharer" (canaries); Carlini et al. 2023, "Extracting training data from diffusion
models" (duplicates are copied most).
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.canaries import privacy
from fmdiag.diagnostics.error.measure import evaluate, mean_square, reachable_times
from fmdiag.diagnostics.membership.measure import TIMES
from fmdiag.diagnostics.points.measurable import measurable
from fmdiag.fields import as_field
from fmdiag.neighbors import nearest
from fmdiag.paths import as_path
from fmdiag.sampling import draw_noise, seeded
from fmdiag.stats import auc_row, fisher_p, row, summary_row

NAME = "canaries"
THRESHOLD = 1 / 3
SAMPLES_AT_ONCE = 256
DELTA = 1e-5


def measure(samples, training_set, *, canaries, field=None, path=None, threshold=THRESHOLD, n_noises=8, device="cpu",
            generator=None, seed=0):
    """Return what came back, a row per canary.

    Parameters
    ----------
    samples : Tensor or ndarray, shape (n, *shape)
        The model's samples in model range.
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that it was trained on, planted canaries among them.
    canaries : Canaries
        From `fmdiag.datasets.canaries.load_canaries`.
    field : callable, optional
        v(x, t); with it the loss of each canary is measured.
    path : GaussianPath, optional
        That of the field; default linear.
    threshold : float
        Bound on the ratio.
    n_noises : int
        Noises of the loss, the same for every canary.
    device
        Where neighbours are searched.
    generator, seed
        Draws the noises; without a generator a new one of `seed`.

    Returns
    -------
    DataFrame
        Columns canary, multiplicity (0: held out), coin (the multiplicity that a fair coin was about; NaN where none
        was thrown), returned, n_returned (samples that are copies), closest_sample, distance and ratio of the sample of
        least ratio, cfm_loss (mean over times, noises and coordinates; NaN without a field), n_samples; with coins and
        losses also guess (1: in the training set, 0: held out, -1: not guessed).
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    numbers, samples, _ = measurable(samples, training_set)
    ratios, distances = _ratios(samples, training_set, canaries, device)
    best = ratios.argmin(0)
    index = np.arange(len(best))
    loss = np.full(len(best), np.nan) if field is None else _loss(field, canaries.images, as_path(path),
                                                                  n_noises, generator)
    coin = np.nan if canaries.coin is None else canaries.coin
    table = pd.DataFrame({"canary": index, "multiplicity": canaries.multiplicity, "coin": coin,
                         "returned": (ratios < threshold).any(0), "n_returned": (ratios < threshold).sum(0),
                         "closest_sample": numbers[best], "distance": distances[best, index],
                         "ratio": ratios[best, index],
                         "cfm_loss": loss, "n_samples": len(samples)})
    return table if field is None or canaries.coin is None else privacy.guess(table, canaries.guessed)


def _ratios(samples, training_set, canaries, device):
    """Return (ratio, distance) of every sample to every canary, shape (n, k)."""
    planted = np.array([row for rows in canaries.rows for row in rows], dtype=np.int64)
    rest = replace(training_set, rows=np.delete(training_set.rows, planted % training_set.n_stored, axis=0),
                   labels=None, groups=None, condition=None, spread=None, files=None)
    others = nearest(samples, rest, device=device).distances
    points = canaries.images.double().flatten(1)
    orbit = [points, canaries.images.double().flip(-1).flatten(1)] if training_set.hflip else [points]
    distances = np.concatenate([
        torch.stack([torch.cdist(part.double().flatten(1), image, compute_mode="donot_use_mm_for_euclid_dist")
                     for image in orbit]).amin(0).numpy() for part in samples.split(SAMPLES_AT_ONCE)])
    two = np.sort(np.concatenate([distances, np.full((len(samples), 1), np.inf)], axis=1), axis=1)[:, :2]
    among = np.where(distances == two[:, :1], two[:, 1:], two[:, :1])   # the nearest other canary
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = distances / np.minimum(others, among)
    return np.where(distances == 0, 0.0, ratios), distances


def _loss(field, images, path, n_noises, generator):
    """Return the CFM loss of each image, mean over times and noises, shape (k,)."""
    noise = draw_noise(n_noises, images.shape[1:], generator=generator).double()
    x0 = noise.repeat(len(images), *[1] * (images.ndim - 1))
    x1 = images.double().repeat_interleave(n_noises, 0)
    losses, field = [], as_field(field)
    for t in reachable_times(field, TIMES):
        seen = torch.tensor(t, dtype=torch.float32).double().item()
        velocity = evaluate(field, path.sample(x0, x1, seen).float(), seen)
        losses.append(mean_square(velocity - path.conditional_velocity(x0, x1, seen)))
    return np.mean(losses, axis=0).reshape(-1, n_noises).mean(1)


def summarise(table, delta=DELTA):
    """Return the summary rows.

    Per multiplicity: returned (share of canaries that came back, exact interval), distance (mean of the closest
    sample) and, with a field, cfm_loss and loss_auc (of planted against held-out canaries, lower loss counting as
    planted). Over all: canary_p, Fisher's one-sided p-value of planted against held-out canaries that came back, not
    corrected. Where coins were thrown, besides, what `privacy.summarise` returns.
    """
    rows = []
    held_out = table[table["multiplicity"] == 0]
    for multiplicity, group in table.groupby("multiplicity"):
        keys = {"multiplicity": multiplicity}
        rows += [summary_row(NAME, "returned", group["returned"], interval="exact", **keys),
                 summary_row(NAME, "distance", group["distance"], **keys)]
        if group["cfm_loss"].notna().all():
            rows.append(summary_row(NAME, "cfm_loss", group["cfm_loss"], **keys))
            if multiplicity and len(held_out):
                rows.append(auc_row(NAME, "loss_auc", -group["cfm_loss"], -held_out["cfm_loss"], **keys))
    planted = table[table["multiplicity"] > 0]
    p = fisher_p(planted["returned"].sum(), len(planted), held_out["returned"].sum(), len(held_out))
    rows.append(row(NAME, "canary_p", p, multiplicity=np.nan, n=len(table), interval="fisher"))
    return pd.DataFrame(rows + (privacy.summarise(NAME, table, delta) if "guess" in table else []))

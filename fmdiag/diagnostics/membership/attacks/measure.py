"""Scores of published membership attacks and of blind baselines: a row per image, attack and time.

The images, noises and times are those of the table of membership, whose loss the attacks on noised images start from;
those on the image itself ask the field anew.
"""

import numpy as np
import pandas as pd
import torch

from fmdiag.diagnostics.error.measure import evaluate, mean_square
from fmdiag.diagnostics.membership.attacks import ATTACKS
from fmdiag.diagnostics.membership.attacks.asked import CLEAN, Asked
from fmdiag.diagnostics.membership.attacks.blind import CLASSIFIER, SIZE, classifier_scores
from fmdiag.diagnostics.membership.attacks.complexity import compressed_sizes
from fmdiag.fields import as_field
from fmdiag.paths import as_path
from fmdiag.ranks.group import SINGLE

COLUMNS = ["image", "kind", "row", "attack", "t", "score"]
SOURCES = ("train", "heldout")
NOISED = ("cfm_loss", "first_loss", "mean_error")
IMAGES_AT_ONCE = 1024


def measure(field, training_set, drawn, table, attacks, *, reference=None, codec=None, path=None, progress=iter,
            group=SINGLE):
    """Return the score of every image by every attack and time, larger for what is taken for a training image.

    Parameters
    ----------
    field : callable
        v(x, t) of the network.
    training_set : TrainingSet
        The rows that it was trained on.
    drawn : Drawn
        Images and noises, as `fmdiag.diagnostics.membership.measure.draw` returns them.
    table : DataFrame
        Table of membership of the same images, noises and times.
    attacks : sequence of str
        Names in ATTACKS.
    reference : callable, optional
        v(x, t) of the reference model.
    codec : str, optional
        Of the compressed size: see `complexity`.
    path, progress, group
        As in `fmdiag.alignment`.

    Returns
    -------
    DataFrame
        Columns image (number of the pair; both images of one share noises), kind (train, heldout), row (number in its
        own set), attack (also blind-size and blind-classifier, whose t is NaN), t, score.
    """
    path, members, times = as_path(path), drawn.members, tuple(sorted(table["t"].unique()))
    images = {"train": members.train, "heldout": members.held_out}
    sizes = {kind: compressed_sizes(rows, training_set, codec) for kind, rows in images.items()}
    losses = _losses(reference, path, drawn, times, progress, group) if "reference" in attacks else {}
    field, found = as_field(field), []
    noised = {kind: _wide(table, kind, times, losses) for kind in SOURCES}

    def velocity(x, t):
        return evaluate(field, x.float(), t).to(x.dtype)

    def work(numbers):
        parts = []
        for part in progress(numbers.split(IMAGES_AT_ONCE)):
            own = {name: values[part.numpy()] for name, values in noised[kind].items()}
            asked = Asked(velocity, path, images[kind][part].double(), seen(times), clean_end(field, times), own,
                          sizes[kind][part.numpy()])
            parts.append(np.stack([ATTACKS[name](asked).numpy() for name in attacks], 1))
        return np.concatenate(parts)

    for kind in SOURCES:
        scores = np.concatenate(group.spread(torch.arange(len(members.train)), work)) if attacks else None
        found += [_rows(kind, members, name, scores[:, k], times) for k, name in enumerate(attacks)]
    blind = classifier_scores(members.train, members.held_out)
    for kind, odds in zip(SOURCES, blind, strict=True):
        found += [_rows(kind, members, name, scores[:, None], (np.nan,))
                  for name, scores in ((SIZE, -sizes[kind]), (CLASSIFIER, odds))]
    return pd.concat(found, ignore_index=True)[COLUMNS]


def seen(times):
    """Return the times as the field sees them, in float32."""
    return tuple(torch.tensor(times, dtype=torch.float32).double().tolist())


def clean_end(field, times):
    """Return the time at which an image without noise is looked at: .99, or later than all times, if reachable."""
    latest = max(times)
    wanted = CLEAN if latest < CLEAN else (1 + latest) / 2
    return seen((min(wanted, getattr(field, "reachable", (0.0, 1.0))[1]),))[0]


def _wide(table, kind, times, losses):
    """Return the values of noised images of one kind, each of shape (images, times)."""
    wide = {name: table[table["source"] == kind].pivot(index="pair", columns="t", values=name)[list(times)].to_numpy()
            for name in NOISED}
    return wide | ({"reference_loss": losses[kind]} if losses else {})


def _losses(reference, path, drawn, times, progress, group):
    """Return the loss of the reference model at the same noises, shape (images, times) of either kind."""
    members, field = drawn.members, as_field(reference)
    found = {}
    for kind, images in (("train", members.train), ("heldout", members.held_out)):
        def work(numbers, images=images):
            k = drawn.noise.shape[1]
            few = numbers.split(max(1, 4096 // k))
            return np.concatenate([np.stack([_loss(field, path, images[part], drawn.noise[part], t)
                                             for t in seen(times)], 1) for part in progress(few)])

        found[kind] = np.concatenate(group.spread(torch.arange(len(images)), work))
    return found


def _loss(field, path, images, noise, t):
    k = noise.shape[1]
    x0, x1 = noise.flatten(0, 1).double(), images.repeat_interleave(k, 0).double()
    velocity = evaluate(field, path.sample(x0, x1, t).float(), t).double()
    return mean_square(velocity - path.conditional_velocity(x0, x1, t)).reshape(-1, k).mean(1)


def _rows(kind, members, name, scores, times):
    m, rows = len(scores), members.train_rows if kind == "train" else members.held_out_rows
    return pd.DataFrame({"image": np.repeat(np.arange(m), len(times)), "kind": kind,
                         "row": np.repeat(rows, len(times)), "attack": name, "t": np.tile(times, m),
                         "score": scores.ravel()})

"""Scale of samples: copies of training rows in another scale of values, which distances cannot see.

Copies of which every value was mapped to a x + b, as a picture in [0, 1] beside rows in [-1, 1], are far from their
originals. Where the samples' values are distributed otherwise than the rows', samples and rows are therefore compared
once more, each less its mean and divided by its norm, and the map is read off those that are copies then.
"""

import numpy as np
import torch

from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.stats import fisher_p

N_COMPARED = 256
NEAREST = 6
RULE = 1 / 3            # of d1 / d2, as for memorization
LEVEL = 1e-3
UNLIKE = 0.1            # of slope 1, and of an offset over half the range of pictures
BLOCK_ROWS = 4096


def other_scale(samples, training_set):
    """Return (in words the map from samples to training rows that copies need, share of samples), or None.

    Parameters
    ----------
    samples : Tensor, shape (n, *shape)
        Checked.
    training_set : TrainingSet
        Images; one pass is made over its rows.

    Notes
    -----
    Rows themselves, each compared with all others, say how often unlike images pass the rule.
    """
    spread = [np.linspace(0, n - 1, min(n, N_COMPARED)).astype(int) for n in (len(samples), training_set.n)]
    own = torch.as_tensor(spread[1])
    queries = [samples[torch.as_tensor(spread[0])].float().flatten(1), training_set[spread[1]].flatten(1)]
    groups = torch.as_tensor(np.asarray(duplicate_groups(training_set)))
    cosines, rows = _nearest([standardised(q) for q in queries], training_set)
    copies = _copies(cosines[0], rows[0], groups, None)
    chance = _copies(cosines[1], rows[1], groups, groups[own])
    if fisher_p(int(copies.sum()), len(copies), int(chance.sum()), len(chance)) > LEVEL:
        return None
    words = _map(queries[0][copies], training_set, rows[0][copies, 0], len(queries[0]))
    return None if words is None else (words, copies.double().mean().item())


def standardised(x):
    """Return vectors of shape (m, d) less their means, of norm 1; constant ones become 0."""
    x = x - x.mean(1, keepdim=True)
    return torch.nn.functional.normalize(x, dim=1)


def _nearest(queries, training_set):
    """Return, per set of queries, the cosines and numbers of the rows of largest |cosine|: shape (m, NEAREST)."""
    best = [(torch.zeros(len(q), 0), torch.zeros(len(q), 0, dtype=torch.long)) for q in queries]
    for start, block in training_set.blocks(BLOCK_ROWS):
        block = standardised(block)
        for k, (q, (cosines, rows)) in enumerate(zip(queries, best, strict=True)):
            cosines = torch.cat([cosines, q @ block.T], 1)
            rows = torch.cat([rows, torch.arange(start, start + len(block)).expand(len(q), -1)], 1)
            chosen = cosines.abs().topk(min(NEAREST, cosines.shape[1]), 1).indices
            best[k] = cosines.gather(1, chosen), rows.gather(1, chosen)
    return zip(*best, strict=True)


def _copies(cosines, rows, groups, own):
    """Return bool, shape (m,): which queries are three times nearer to a row than to one of another content."""
    distances, contents = (2 - 2 * cosines.abs().double()).clamp(min=0).sqrt(), groups[rows]
    if own is not None:
        distances = distances.masked_fill(contents == own[:, None], torch.inf)
        order = distances.argsort(dim=1, stable=True)
        distances, contents = distances.gather(1, order), contents.gather(1, order)
    others = distances.masked_fill(contents == contents[:, :1], torch.inf)
    d2 = others.amin(1)
    return (distances[:, 0] < RULE * d2) & torch.isfinite(d2)


def _map(samples, training_set, rows, n):
    """Return the words for row = a sample + b, fitted to each copy, or None where they have no map in common."""
    targets = training_set[rows.numpy()].flatten(1)
    centred = samples - samples.mean(1, keepdim=True)
    slopes = (centred * targets).sum(1) / centred.square().sum(1)
    offsets = targets.mean(1) - slopes * samples.mean(1)
    (low, a, high), b = torch.quantile(slopes.double(), torch.tensor([0.25, 0.5, 0.75]).double()).tolist(), (
        offsets.double().median().item())
    black, white = training_set.picture_range
    if high - low > UNLIKE * abs(a) or (abs(a - 1) < UNLIKE and abs(b) < UNLIKE * (white - black) / 2):
        return None
    way = (f"give the samples' values of black and white (--sample-range {(black - b) / a:.3g},{(white - b) / a:.3g})"
           if a > 0 else "invert them first")
    return (f"{len(rows)} of {n} samples are training examples once every value x is mapped to {a:.3g} x {b:+.3g}, so "
            f"that samples and rows of {training_set.name} are of two scales: {way}")

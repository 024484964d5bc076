"""Null of the preference for training examples, and coverage of the share explained: intervals with their truths.

The fields of the null are those of the population, or û* of a third set of the same distribution: they know nothing of
which examples are training and which held-out ones, so that the preference of every theory is 0 in expectation.
"""

import functools
import warnings

import numpy as np
import torch

from fmdiag import ClosedFormField, TrainingSet
from fmdiag.diagnostics.theories import summary
from fmdiag.diagnostics.theories.comparison import compare
from fmdiag.errors import FmdiagWarning

N, N_HELD_OUT, N_THIRD = 160, 160, 400
TIMES = (0.3, 0.6, 0.9)


def gaussian(rng, n):
    """Return n points of N(0, I) in 8 dimensions."""
    return rng.normal(size=(n, 8))


def mixture(rng, n):
    """Return n points of narrow Gaussians at 20 fixed centers in 8 dimensions."""
    centers = np.random.default_rng(5).normal(size=(20, 8))
    return centers[rng.integers(20, size=n)] + 0.1 * rng.normal(size=(n, 8))


def images(rng, n):
    """Return n correlated Gaussian pictures of 5 x 5 pixels."""
    noise = rng.normal(size=(n, 1, 6, 6))
    return (noise[..., 1:, 1:] + noise[..., :-1, 1:] + noise[..., 1:, :-1] + noise[..., :-1, :-1]) / 2


def population(rng):
    """Return the exact field of N(0, I)."""
    return lambda x, t: x * ((2 * t - 1) / ((1 - t) ** 2 + t**2)).reshape(-1, *[1] * (x.ndim - 1))


def third(draw):
    """Return the function that makes û* of other examples of the same distribution."""
    return lambda rng: ClosedFormField(TrainingSet(np.float32(draw(rng, N_THIRD))))


def preference(draw, field, theory, states):
    """Return the callable of the interval of train_preference_overall, whose truth is 0."""
    def interval(rng):
        own, held_out = (TrainingSet(np.float32(draw(rng, n))) for n in (N, N_HELD_OUT))
        options = {"patch_sizes": [3]} if theory == "local-score" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FmdiagWarning)
            found = compare(field(rng), own, held_out=held_out, theories=[theory], times=TIMES, n_pairs=32, n_steps=10,
                            generator=_seed(rng), **options)
        rows = summary.preferences(found.table, found.left_out).query(
            "quantity == 'train_preference_overall' and interval == 'jackknife'")
        row = rows[(rows["theory"] == theory) & (rows["states"] == states)].iloc[0]
        return float(row["low"]), float(row["high"]), 0.0
    return interval


@functools.cache
def _rows():
    return np.float32(np.random.default_rng(3).normal(size=(30, 4)))


def _share(rng, n_pairs):
    """Return the summary row of the share that Wiener explains of -x, on paths of 30 training examples."""
    found = compare(lambda x, t: -x, _rows(), held_out=False, theories=["wiener"], times=[0.7], n_pairs=n_pairs,
                    n_steps=1, only_states=True, generator=_seed(rng))
    rows = summary.summarise(found.table)
    return rows[(rows["quantity"] == "explained") & (rows["states"] == "train")].iloc[0]


@functools.cache
def _share_truth():
    return float(_share(np.random.default_rng(4), 20_000)["value"])


def share(n_pairs):
    """Return the callable of Fieller's interval of the share explained, whose truth is that of 20 000 noises."""
    def interval(rng):
        row = _share(rng, n_pairs)
        return float(row["low"]), float(row["high"]), _share_truth()
    return interval


def _seed(rng):
    return torch.Generator().manual_seed(int(rng.integers(2**62)))


NULLS = {"Gaussian": (gaussian, population, ("closed_form", "wiener")),
         "mixture": (mixture, third(mixture), ("closed_form", "wiener")),
         "pictures": (images, third(images), ("local-score",))}
INTERVALS = {
    "share explained, 16 noises": share(16), "share explained, 64 noises": share(64),
    **{f"train_preference of {theory}, {name}, {states} states": preference(draw, field, theory, states)
       for name, (draw, field, theories) in NULLS.items() for theory in theories for states in ("heldout", "model")},
}

"""Null families: training, held-out examples and samples of which none is a copy; and cases with copies planted.

In every null family but the leaning ones, which copy nothing either, the sampler knows nothing of which examples are
training and which held-out ones.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

import fmdiag

N_TRAIN, N_HELD_OUT, N_SAMPLES = 400, 200, 200
FASHION = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class Case:
    """One repetition: arrays in model range, and options of the Run."""

    train: np.ndarray
    held_out: np.ndarray
    samples: np.ndarray
    options: dict = field(default_factory=dict)


def gaussian(dim):
    """Return draw(rng, n) of independent Gaussian numbers."""
    return lambda rng, n: rng.normal(size=(n, dim))


def heavy(dim):
    """Return draw(rng, n) of Student's t with two degrees of freedom."""
    return lambda rng, n: rng.standard_t(2, size=(n, dim))


def mixture(dim, n_centers=20):
    """Return draw(rng, n) of narrow Gaussians at fixed centers."""
    centers = np.random.default_rng(5).normal(size=(n_centers, dim))
    return lambda rng, n: centers[rng.integers(n_centers, size=n)] + 0.1 * rng.normal(size=(n, dim))


def manifold(dim, inner=3):
    """Return draw(rng, n) on a curved surface of few dimensions."""
    weights = np.random.default_rng(6).normal(size=(inner, dim))
    return lambda rng, n: np.sin(rng.normal(size=(n, inner)) @ weights)


def grid(side, dim):
    """Return draw(rng, n) of rounded Gaussian numbers: content recurs by itself."""
    return lambda rng, n: np.clip(np.round(side / 4 * rng.normal(size=(n, dim))), -side / 2, side / 2)


def recurring(dim, share, n_contents=300):
    """Return draw(rng, n): a share of the draws come from few contents that recur, as popular pictures do."""
    contents = np.random.default_rng(7).normal(size=(n_contents, dim))

    def draw(rng, n):
        rows = rng.normal(size=(n, dim))
        chosen = rng.random(n) < share
        rows[chosen] = contents[rng.integers(n_contents, size=chosen.sum())]
        return rows
    return draw


def twins(dim):
    """Return draw(rng, n) where every content has a near-duplicate in the population of 2000 contents."""
    contents = np.random.default_rng(8).normal(size=(1000, dim))
    return lambda rng, n: contents[rng.integers(1000, size=n)] + 0.02 * rng.normal(size=(n, dim))


@cache
def pictures(name):
    """Return the rows of a named data set, of both splits."""
    rows = fmdiag.load_dataset(name, **({"n": 6000} if name == "fashion-mnist" else {}))
    return np.concatenate([part[np.arange(len(part))].numpy() for part in (rows, rows.unseen)])[:8000]


def real(name, n_train, n_held_out, n_samples):
    """Return case(rng): disjoint rows of a data set."""
    def case(rng):
        rows = pictures(name)
        order = rng.permutation(len(rows))[: n_train + n_held_out + n_samples]
        return Case(*(rows[part] for part in np.split(order, [n_train, n_train + n_held_out])))
    return case


def independent(draw, *, sampler=None, n_train=N_TRAIN, n_held_out=N_HELD_OUT, n_samples=N_SAMPLES, held_out=None):
    """Return case(rng) of independent draws; `sampler(rng, draw, n)` and `held_out(rows)` where they are others."""
    def case(rng):
        rows = [draw(rng, n).astype(np.float32) for n in (n_train, n_held_out)]
        if held_out is not None:
            rows[1] = held_out(rows[1]).astype(np.float32)
        samples = draw(rng, n_samples) if sampler is None else sampler(rng, draw, n_samples)
        return Case(*rows, samples.astype(np.float32))
    return case


def low_diversity(count):
    """Return sampler: `count` fresh draws, again and again."""
    return lambda rng, draw, n: draw(rng, count)[rng.integers(count, size=n)]


def wiener(rng, draw, n):
    """Sample the Gaussian of the mean and covariance of 300 draws of its own."""
    own = draw(rng, 300)
    return rng.multivariate_normal(own.mean(0), np.cov(own.T), size=n)


def shrunken(rng, draw, n):
    """Sample the distribution, drawn together by half."""
    return 0.5 * draw(rng, n)


def blurred(rng, draw, n):
    """Sample means of the five nearest of 500 draws of its own."""
    own, at = draw(rng, 500), draw(rng, n)
    nearest = np.argsort(((at[:, None] - own[None]) ** 2).sum(-1), axis=1)[:, :5]
    return own[nearest].mean(1)


def elsewhere(rng, draw, n):
    """Sample a copier of 400 draws of its own, with a little noise: fitted on disjoint data."""
    own = draw(rng, 400)
    return own[rng.integers(400, size=n)] + 0.05 * rng.normal(size=(n, own.shape[1]))


def videos(split_by_group):
    """Return case(rng): 60 videos of 15 frames, split by video or frame by frame, samples from further videos."""
    def case(rng):
        scenes = np.repeat(rng.normal(size=(80, 12)), 15, axis=0)
        frames = (scenes + 0.1 * rng.normal(size=scenes.shape)).astype(np.float32)
        numbers = np.repeat(np.arange(80), 15)
        order = np.arange(900) if split_by_group else rng.permutation(900)
        train, held_out = order[:600], order[600:]
        groups = {"groups": (numbers[train], numbers[held_out])} if split_by_group else {}
        return Case(frames[train], frames[held_out], frames[900:1100], groups)
    return case


def leaning(base, part):
    """Return case(rng): samples moved a part of the way to their nearest training example; none becomes a copy."""
    def case(rng):
        null = base(rng)
        flat = (rows.reshape(len(rows), -1) for rows in (null.samples, null.train))
        nearest = ((next(flat)[:, None] - next(flat)[None]) ** 2).sum(-1).argmin(1)
        return Case(null.train, null.held_out, null.samples + np.float32(part) * (null.train[nearest] - null.samples))
    return case


NULLS = {
    **{f"gaussian, {dim} dimensions": independent(gaussian(dim)) for dim in (1, 2, 4, 16, 64)},
    "gaussian, 2 dimensions, few held out": independent(gaussian(2), n_held_out=40),
    "gaussian, 4 dimensions, many held out": independent(gaussian(4), n_held_out=800),
    "heavy tails, 8 dimensions": independent(heavy(8)),
    "mixture, 2 dimensions": independent(mixture(2)),
    "mixture, 8 dimensions": independent(mixture(8)),
    "surface in 32 dimensions": independent(manifold(32)),
    "digits": real("digits", 900, 300, 300),
    **({"fashion-mnist": real("fashion-mnist", 2000, 500, 300)} if FASHION.is_dir() else {}),
    "grid of 21 x 21": independent(grid(20, 2)),
    "grid of 5^4": independent(grid(4, 4)),
    "a tenth recurring": independent(recurring(8, 0.1)),
    "near-duplicates": independent(twins(8)),
    **{f"{count} draws repeated": independent(gaussian(8), sampler=low_diversity(count)) for count in (3, 20, 100)},
    **{f"{count} draws repeated, 2 dimensions": independent(gaussian(2), sampler=low_diversity(count))
       for count in (3, 20, 100)},
    "Wiener sampler, surface": independent(manifold(8), sampler=wiener),
    "shrunken sampler, 2 dimensions": independent(gaussian(2), sampler=shrunken),
    "shrunken sampler, 8 dimensions": independent(gaussian(8), sampler=shrunken),
    "blurred sampler, 2 dimensions": independent(mixture(2), sampler=blurred),
    "blurred sampler, 8 dimensions": independent(gaussian(8), sampler=blurred),
    "copier of other rows": independent(gaussian(8), sampler=elsewhere),
    "copier of other rows, mixture": independent(mixture(2), sampler=elsewhere),
    "held-out rows twice as wide, 2 dimensions": independent(gaussian(2), held_out=lambda rows: 2 * rows),
    "held-out rows twice as wide, surface": independent(manifold(32), held_out=lambda rows: 2 * rows),
    "held-out rows twice as wide, near-duplicates": independent(twins(8), held_out=lambda rows: 2 * rows),
    "held-out rows elsewhere, 4 dimensions": independent(gaussian(4), held_out=lambda rows: rows + 2),
    "leaning a tenth towards training rows": leaning(independent(gaussian(16)), 0.1),
    "digits leaning a tenth towards training rows": leaning(real("digits", 900, 300, 300), 0.1),
    "videos split whole": videos(True),
    "videos split frame by frame": videos(False),
}


def planted(base, kind, share):
    """Return case(rng): a null case, every sample of which is a copy of another training example with this chance."""
    def case(rng):
        null = base(rng)
        samples, k = null.samples.copy(), rng.binomial(len(null.samples), share)
        source = null.train[rng.choice(len(null.train), k, replace=False)]
        samples[:k] = COPIES[kind](rng, source, null.train.std())
        options = {"hflip": True} if kind == "mirrored" else {}
        return Case(null.train, null.held_out, samples, null.options | options)
    return case


COPIES = {
    "exact copies": lambda rng, rows, std: rows,
    "copies with noise .02": lambda rng, rows, std: rows + 0.02 * std * rng.normal(size=rows.shape),
    "copies with noise .1": lambda rng, rows, std: rows + 0.1 * std * rng.normal(size=rows.shape),
    "mirrored": lambda rng, rows, std: rows[..., ::-1],
    "shifted": lambda rng, rows, std: np.roll(rows, 1, axis=-1),
}
SHARES = (0.01, 0.02, 0.05, 0.1)
BASES = {"gaussian, 16 dimensions": independent(gaussian(16)), "digits": real("digits", 900, 300, 300)}


def _twinned(rng):
    """Return a null case whose training examples all have a near-duplicate among them."""
    null = BASES["gaussian, 16 dimensions"](rng)
    near = null.train[:200] + 0.02 * rng.normal(size=null.train[:200].shape).astype(np.float32)
    return Case(np.concatenate([null.train[:200], near]), null.held_out, null.samples)


POWERS = {f"{kind}, {share:.0%}, {name}": planted(base, kind, share)
          for name, base in BASES.items() for kind in list(COPIES)[:3] for share in SHARES}
POWERS |= {f"{kind}, {share:.0%}, digits": planted(BASES["digits"], kind, share)
           for kind in ("mirrored", "shifted") for share in SHARES}
POWERS |= {f"{kind}, {share:.0%}, near-duplicated training rows": planted(_twinned, kind, share)
           for kind in list(COPIES)[::2][:2] for share in SHARES}

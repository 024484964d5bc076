"""Permutation test of labels: whether what samples come suspiciously near is a training example beyond chance.

Null: the sampler knows nothing of which of N + M examples are the N training examples and which the M held-out ones.
Then the examples that samples come nearest to carry these labels as a draw without replacement, whatever the sampler is
(blurred, of low diversity, of another distribution): the samples are fixed and the labels are permuted. An example
counts once, however many samples come near it.

Ordered by how near a sample comes, the first i examples hold c_i training examples; where more than p = N / (N + M),

    T = max over i, and over feature spaces, of i KL(c_i / i || p),   KL(q || p) = q log(q/p) + (1-q) log((1-q)/(1-p)),

a scan over all thresholds. Its p-value is that of permuted labels, the same in all spaces. Where no permutation
reaches T, Chernoff's bound (which holds without replacement as well, Hoeffding) and the number of thresholds bound the
p-value by that number times exp(-T).

References
----------
Hoeffding 1963, Probability inequalities for sums of bounded random variables, theorems 1 and 4. Phipson & Smyth 2010,
Permutation p-values should never be zero.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import rel_entr

PERMUTATIONS = 1999
ENTRIES = 1 << 23


@dataclass(frozen=True)
class Hits:
    """Examples that samples of one feature space come near, the nearest first.

    Parameters
    ----------
    units : ndarray of int, shape (r,)
        Numbers of the examples (or of their groups), training and held-out ones numbered together, each once.
    trained : ndarray of bool, shape (r,)
        Which are training examples.
    scores : ndarray of float, shape (r,)
        How near a sample comes, ascending; equal scores are one threshold.
    """

    units: np.ndarray
    trained: np.ndarray
    scores: np.ndarray

    @property
    def ends(self):
        """Number of examples within each threshold that the scan can take, ascending, shape (k,)."""
        if not len(self.scores):
            return np.empty(0, int)
        return np.flatnonzero(np.append(np.diff(self.scores) > 0, True)) + 1


@dataclass(frozen=True)
class LabelTest:
    """Outcome of a label test.

    Parameters
    ----------
    p : float
        p-value; 1 where no sample comes near.
    statistic : float
        T.
    space : int
        Number of the feature space where T is reached; -1 where no sample comes near.
    n_hit, n_trained : int
        Examples within the threshold there, and those of them that are training examples.
    threshold : float
        The largest score within it; NaN where no sample comes near.
    chance : float
        N / (N + M).
    """

    p: float
    statistic: float
    space: int
    n_hit: int
    n_trained: int
    threshold: float
    chance: float


def label_test(spaces, n_train, n_held_out, *, rng, n_permutations=PERMUTATIONS):
    """Return the LabelTest of the Hits of one or more feature spaces.

    Parameters
    ----------
    spaces : sequence of Hits
    n_train, n_held_out : int
        N and M: the examples (or groups) that could have been hit.
    rng : numpy.random.Generator
        Draws the permutations.
    """
    chance = n_train / (n_train + n_held_out)
    observed = [scan(hits.trained[:, None], hits.ends, chance)[0] for hits in spaces]
    looks = sum(map(len, observed))
    if not looks:
        return LabelTest(1.0, 0.0, -1, 0, 0, np.nan, chance)
    space = int(np.argmax([values.max(initial=-1) for values in observed]))
    place, statistic = int(observed[space].argmax()), float(observed[space].max())
    n_hit = int(spaces[space].ends[place])
    reached = int((permuted(spaces, n_train, n_held_out, rng, n_permutations) >= statistic * (1 - 1e-12)).sum())
    p = (1 + reached) / (1 + n_permutations)
    if reached == 0:
        p = min(p, looks * np.exp(-statistic))
    return LabelTest(float(p), statistic, space, n_hit, int(spaces[space].trained[:n_hit].sum()),
                     float(spaces[space].scores[n_hit - 1]), chance)


def largest(spaces, chance):
    """Return T."""
    return max((scan(hits.trained[:, None], hits.ends, chance).max() for hits in spaces if hits.ends.size), default=0.0)


def permuted(spaces, n_train, n_held_out, rng, n_permutations):
    """Return T of permuted labels, shape (n_permutations,)."""
    units, places = np.unique(np.concatenate([hits.units for hits in spaces]), return_inverse=True)
    parts = np.split(places, np.cumsum([hits.units.size for hits in spaces])[:-1])
    step, found, chance = max(1, ENTRIES // max(1, len(units))), [np.empty(0)], n_train / (n_train + n_held_out)
    for start in range(0, n_permutations if len(units) else 0, step):
        labels = drawn_labels(len(units), n_train, n_held_out, min(step, n_permutations - start), rng)
        found.append(np.max([scan(labels[part], hits.ends, chance).max(1)
                             for part, hits in zip(parts, spaces, strict=True) if hits.ends.size], axis=0))
    return np.concatenate(found)


def label_p_values(measured, n_train, n_held_out, rng, n_permutations):
    """Yield the p-value of each of many measurements, lists of Hits alike, by permuted labels that all share."""
    chance = n_train / (n_train + n_held_out)
    most = [max((hits.units.size for hits in spaces), default=0) for spaces in zip(*measured, strict=True)]
    labels = [drawn_labels(size, n_train, n_held_out, n_permutations, rng) for size in most]
    for spaces in measured:
        observed, reached = largest(spaces, chance), np.zeros(n_permutations, bool)
        for hits, drawn in zip(spaces, labels, strict=True):
            if hits.ends.size and observed > 0:
                values = scan(drawn[: hits.units.size], hits.ends, chance).max(1)
                reached |= values >= observed * (1 - 1e-12)
        count = int(reached.sum()) if observed > 0 else n_permutations
        looks = sum(hits.ends.size for hits in spaces)
        p = (1 + count) / (1 + n_permutations)
        yield p if count else min(p, looks * float(np.exp(-observed)))


def scan(trained, ends, chance):
    """Return i KL(c_i / i || chance) at each end i where c_i / i is above chance, else 0; shape (columns, ends).

    Parameters
    ----------
    trained : ndarray of bool, shape (r, columns)
        Labels of the examples in order, a column per assignment of labels.
    """
    counts = np.cumsum(trained, axis=0, dtype=np.int32)[ends - 1].T
    share = counts / ends
    statistic = ends * (rel_entr(share, chance) + rel_entr(1 - share, 1 - chance))
    return np.where(share > chance, statistic, 0.0)


def drawn_labels(n_units, n_train, n_held_out, columns, rng):
    """Return labels of n_units of N + M examples drawn without replacement, bool, shape (n_units, columns)."""
    labels, left = np.empty((n_units, columns), bool), np.full(columns, n_train)
    for place in range(n_units):
        labels[place] = rng.random(columns) * (n_train + n_held_out - place) < left
        left -= labels[place]
    return labels

"""Overlap of a held-out set with its training set, found by content.

Held-out rows that are training rows look like copies of them: they raise the null until real copies are no more than
chance, and they are members in a membership test. They are left out where held-out rows are used. A row counts if
its values in model range, or those of its mirror image, are a training row's; how either is stored does not matter.

Where rows recur by themselves, a fresh row equals a training row too, and so does a sample: such held-out rows belong
to the null. How often they do is read off the training rows, of which each is compared with the others (Good 1953).
Held-out rows are left out only where more of them equal training rows than that, by Fisher's exact test.

References
----------
Good 1953, The population frequencies of species and the estimation of population parameters, Biometrika 40.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch

from fmdiag.datasets.duplicates import duplicate_groups, repeated
from fmdiag.datasets.grouped_sets import beside
from fmdiag.datasets.memory_mapped import read_ahead
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.stats import fisher_p

MOST = 0.2              # share of held-out rows that may be training rows; beyond it others may be near-copies
RECURRING = 0.02        # share from which it matters that the training rows recur among themselves nearly as often
COMMON = 0.5            # share of recurring rows beyond which equality says nothing of copies
LEVEL = 0.01            # of the test that more held-out rows equal training rows than these recur
BLOCK_BYTES = 1 << 24
GRID = 127.5 * 64       # of rows stored in different ways; the values of 8 bits lie on it whatever rounding did to them
TOLERANCE = 1e-5        # largest difference in model range between two ways to store one value
PAIRS_AT_ONCE = 1024


@dataclass(frozen=True)
class Overlap:
    """Held-out rows that are training rows.

    Parameters
    ----------
    n : int
        Held-out rows in all, stored ones.
    rows : ndarray of int64
        Numbers of those that are training rows.
    n_mirrored : int
        Those of them whose mirror image only is a training row.
    n_repeated : int
        Training rows whose content is that of another training row, of `n_train`.
    n_train : int
        Training rows.
    """

    n: int
    rows: np.ndarray
    n_mirrored: int = 0
    n_repeated: int = 0
    n_train: int = 0

    @property
    def natural(self):
        """Whether training rows recur among themselves as often, so that held-out rows that equal one are no fault."""
        return self.n_repeated > 0 and bool(fisher_p(len(self.rows), self.n, self.n_repeated, self.n_train) >= LEVEL)

    @property
    def left_out(self):
        """Numbers of the held-out rows that are not used: those that are training rows, unless rows recur as often."""
        return self.rows[:0] if self.natural and len(self.rows) < self.n else self.rows

    @property
    def kept(self):
        """Numbers of the held-out rows that are used."""
        return np.setdiff1d(np.arange(self.n), self.left_out)

    def sentence(self):
        """Return what a reader must know, or None where nothing overlaps."""
        if not len(self.rows):
            return None
        mirrored = f" ({self.n_mirrored} of them mirrored)" if self.n_mirrored else ""
        if not len(self.left_out):
            return (f"{len(self.rows)} of {self.n} held-out examples equal training examples{mirrored} and "
                    f"{self.n_repeated} of {self.n_train} training examples another one: such rows recur by themselves "
                    f"and stay in the null")
        return (f"{len(self.rows)} of {self.n} held-out examples equal training examples{mirrored} and are left out: "
                f"the null is of the other {self.n - len(self.rows)}")

    def not_judged(self):
        """Return why held-out rows like these decide nothing, or None where they may."""
        share, recurring = len(self.rows) / self.n, self.n_repeated / self.n_train if self.n_train else 0.0
        if share > COMMON and recurring > COMMON or share > RECURRING and not self.natural and recurring > share / 2:
            return (f"{len(self.rows)} of {self.n} held-out examples equal training examples, and {self.n_repeated} of "
                    f"{self.n_train} training examples equal one another: where rows recur by themselves, a sample "
                    f"that "
                    "equals one need not be a copy; remove duplicates before the model is trained, or give other "
                    "--held-out examples")
        if share > MOST and not self.natural:
            return (f"{len(self.rows)} of {self.n} held-out examples ({share:.0%}) equal training examples, so that "
                    f"the others "
                    "may be near-copies of some: give rows that the model was not trained on (--held-out PATH)")
        return None

    def describe(self):
        """Return what run.json says of it."""
        return {"n": self.n, "training_rows": len(self.rows), "mirrored": self.n_mirrored,
                "used": len(self.kept)}


def find_overlap(held_out, training_set):
    """Return the Overlap of two TrainingSets of one shape, both read in blocks; empty for rows of other shapes."""
    nothing = Overlap(held_out.n_stored, np.empty(0, np.int64), n_train=training_set.n_stored)
    if held_out.shape != training_set.shape:
        return nothing
    same = way_to_store(held_out) == way_to_store(training_set)
    mirrors = (False, True) if len(training_set.shape) == 3 else (False,)
    keys = np.concatenate([content_keys(held_out, same, flipped) for flipped in mirrors])
    wanted, first, which = np.unique(keys, return_index=True, return_inverse=True)
    found = _confirmed(wanted, first, held_out, training_set, same)[which].reshape(len(mirrors), -1)
    rows = np.flatnonzero(found.any(0))
    if not len(rows):
        return nothing
    # With flips the mirror images are training rows themselves.
    n_mirrored = 0 if training_set.hflip else int((~found[0, rows]).sum())
    looked_at = training_set.with_hflip() if n_mirrored else training_set
    again = int(repeated(duplicate_groups(looked_at), training_set.n_stored).sum())
    return Overlap(held_out.n_stored, rows, n_mirrored, again, training_set.n_stored)


def usable(held_out, training_set, *, recurring=True):
    """Return (held-out rows, numbers of those that may be used), rows that are training rows left out with a warning.

    Parameters
    ----------
    held_out : TrainingSet, Tensor, ndarray, False or None
        What the caller was given; None: the training set's own, False: none.
    training_set : TrainingSet
        The rows that were trained on.
    recurring : bool
        Whether held-out rows that equal training rows are used where training rows recur as often. False: never, as in
        a membership test, where they are members.

    Returns
    -------
    tuple of (TrainingSet or None, ndarray of int64)
        An array becomes a TrainingSet in model range.

    Raises
    ------
    FmdiagError
        If all of them are training rows, or a group is in both sets.
    """
    if held_out is None and recurring:
        held_out = training_set.unseen
        return held_out, np.arange(0 if held_out is None else len(held_out))
    overlap = training_set.overlap if held_out is None else None
    held_out = training_set.held_out if held_out is None else held_out
    if held_out is False or held_out is None:
        return None, np.arange(0)
    if not isinstance(held_out, type(training_set)):
        values = held_out.detach().cpu() if isinstance(held_out, torch.Tensor) else held_out
        held_out = type(training_set)(np.asarray(values, dtype=np.float32), name="held-out examples", split="test")
    held_out = beside(held_out, training_set)
    overlap = find_overlap(held_out, training_set) if overlap is None else overlap
    overlap = overlap if recurring else replace(overlap, n_repeated=0)
    if len(overlap.rows):
        without(held_out, overlap)
        warnings.warn(f"{held_out.name}: {overlap.sentence()}", FmdiagWarning, stacklevel=4)
    stored = overlap.kept
    return held_out, np.concatenate([stored, stored + held_out.n_stored]) if held_out.hflip else stored


def without(held_out, overlap):
    """Return the held-out TrainingSet without the rows that an Overlap leaves out.

    Raises
    ------
    FmdiagError
        If none is left.
    """
    kept = overlap.kept
    if not len(kept):
        raise FmdiagError(f"{held_out.name}: all {overlap.n} held-out examples equal training examples, so that they "
                          f"are no "
                          "null: give rows that the model was not trained on (--held-out PATH)")
    return held_out.chosen(kept)


def way_to_store(rows):
    """Return what two sets must share for equal bytes to be equal values."""
    return rows.dtype, float(rows.divisor), float(rows.shift)


def _confirmed(wanted, first, held_out, training_set, same):
    """Return bool per key in `wanted` (sorted): whether a training row has the held-out row's values."""
    found, start = np.zeros(len(wanted), bool), 0
    for keys in _key_blocks(training_set, same, False):
        place = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
        rows = np.flatnonzero((wanted[place] == keys) & ~found[place])
        for part in np.split(rows, range(PAIRS_AT_ONCE, len(rows), PAIRS_AT_ONCE)):
            number = first[place[part]]
            ours = held_out[number % held_out.n_stored]
            mirrored = torch.from_numpy(number >= held_out.n_stored)
            ours[mirrored] = ours[mirrored].flip(-1)
            apart = (ours - training_set[start + part]).abs().flatten(1).amax(1) if len(part) else torch.empty(0)
            found[place[part[(apart <= (0 if same else TOLERANCE)).numpy()]]] = True
        start += len(keys)
    return found


def content_keys(rows, same, flipped):
    """Return a 64-bit hash of each stored row, uint64: of its bytes where the sets are stored the `same` way."""
    return np.concatenate(list(_key_blocks(rows, same, flipped)))


def _key_blocks(rows, same, flipped):
    """Yield a 64-bit hash of each stored row, block by block: of its bytes, or of its values rounded to a grid."""
    multipliers = None
    step = max(1, BLOCK_BYTES // max(1, 4 * rows.dim))
    for block in read_ahead(rows.rows, [(k, k + step) for k in range(0, rows.n_stored, step)]):
        if not same:
            block = (rows.to_model_range(block) * GRID).round_().numpy()
        block = block[..., ::-1] if flipped else block
        if block.dtype.kind == "f":
            block = block + block.dtype.type(0)  # -0.0 equals 0.0, but not in bytes
        words = _words(np.ascontiguousarray(block))
        if multipliers is None:
            multipliers = np.random.default_rng(0).integers(2**64, size=words.shape[1], dtype=np.uint64)
        yield words @ multipliers


def _words(block):
    """Return the bytes of each row as 32-bit words, uint64, shape (m, words): products with 64-bit numbers may wrap."""
    raw = block.reshape(len(block), -1).view(np.uint8)
    raw = np.pad(raw, ((0, 0), (0, -raw.shape[1] % 4)))
    return raw.view(np.uint32).astype(np.uint64)

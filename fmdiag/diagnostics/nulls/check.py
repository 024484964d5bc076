"""Test of a null: held-out rows that are nearly training rows, and held-out rows from elsewhere, before they are used.

A null of held-out rows stands for what a model that copies nothing would draw. It does so only if they are exchangeable
with training rows: none of them trained on in disguise, all of them from the same source. Where many were trained on,
or where they lie otherwise than training rows lie among one another, nothing is judged, with the reason.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from fmdiag.diagnostics.nulls.blind import blind_scores
from fmdiag.diagnostics.nulls.controls import COLUMNS, failed, separation
from fmdiag.diagnostics.nulls.overlap import COLUMNS as OVERLAP_COLUMNS
from fmdiag.diagnostics.nulls.overlap import near_training_rows
from fmdiag.diagnostics.nulls.spacing import Spacing, spacings
from fmdiag.diagnostics.points.checks import check_range, check_samples
from fmdiag.errors import FmdiagWarning
from fmdiag.neighbors import EXACT
from fmdiag.ranks.group import SINGLE

MOST = 0.2          # share of the held-out rows that may be nearly training rows; beyond it others may be so too
FEWEST, LEAST_ROWS, MOST_ROWS = 500, 100, 2000  # rows a side that are searched
MOST_BLIND = 500    # rows a side that the classifier sees
DISTANCES = 10**13  # coordinates that one search may compare; fewer rows of larger sets are searched


@dataclass(frozen=True, eq=False)
class NullCheck:
    """What was found about held-out rows.

    Parameters
    ----------
    kept : ndarray of int64, shape (k,)
        Numbers of the held-out rows that may be used: all that were given but those left out; and where some were and
        not all rows were searched, those that were.
    table : DataFrame
        Held-out rows left out: columns held_out, nearest, kind (equal, near, mirrored, shifted), distance, ratio,
        feature.
    controls : DataFrame
        Columns control, feature, value, low, high, level, n, n_training, band_low, band_high, passed; see `controls`.
    not_judged : str or None
        Why such a null decides nothing, and what to do.
    sentences : list of str
        What a reader must know where it does.
    """

    kept: np.ndarray
    table: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=OVERLAP_COLUMNS))
    controls: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))
    not_judged: str | None = None
    sentences: list = field(default_factory=list)

    def noted(self, table):
        """Return a table whose attrs hold the check as plain values, and warn of what a reader must know.

        The attrs: overlap and null_checks (lists of records), and null, why nothing is judged; each where there is one.
        """
        for name, rows in (("overlap", self.table), ("null_checks", self.controls)):
            if len(rows):
                table.attrs[name] = rows.to_dict("records")
        for sentence in self.sentences:
            warnings.warn(sentence, FmdiagWarning, stacklevel=3)
        if self.not_judged is not None:
            table.attrs["null"] = self.not_judged
        return table


def check_null(training_set, held_out, numbers=None, *, features=(None,), device=None, group=SINGLE, plan=EXACT,
               seed=0):
    """Return the NullCheck of held-out rows.

    Parameters
    ----------
    training_set : TrainingSet
        The rows that were trained on.
    held_out : TrainingSet or None
        Rows of the same shape that were not; None: there are none, and nothing is tested.
    numbers : ndarray of int64, shape (m,), optional
        Which of these are meant to be used; default all. Of more than 2000, and of fewer beside large training sets, a
        random part is searched.
    features : sequence of Feature or None
        Spaces in which rows are compared; None is the rows as they are.
    device, group, plan
        As for `nearest_rows`.
    seed : int
        Draws the held-out rows and the training rows that are compared with the others, at least as many.

    Raises
    ------
    FmdiagError
        If a held-out row is not finite or has another shape or range than the training rows.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits")
    >>> check = check_null(train, train.held_out)
    >>> len(check.kept) == train.held_out.n, check.not_judged
    (True, None)
    """
    if held_out is None:
        return NullCheck(np.arange(0))
    numbers = np.arange(held_out.n) if numbers is None else np.asarray(numbers)
    most, rng = rows_searched(training_set), np.random.default_rng(seed)
    seen = numbers[np.sort(rng.permutation(len(numbers))[:most])]
    own = np.sort(rng.permutation(training_set.n_stored)[: min(most, max(FEWEST, len(seen)))])
    rows = check_samples(held_out[seen], training_set, what="held-out example")
    check_range(rows, training_set, what="held-out examples")
    search = {"device": device, "group": group, "plan": plan}
    ours = [spacings(training_set[own], training_set, own=own, feature=space, **search) for space in features]
    theirs = [spacings(rows, training_set, feature=space, **search) for space in features]
    if len(rows) < 2 or not all(np.isfinite(x.d2).all() for x in [*ours, *theirs]):  # fewer than three contents
        return NullCheck(numbers)
    out, table, tests, sentences = near_training_rows(training_set, seen, rows, own, ours, theirs, features, search)
    kept = np.setdiff1d(np.arange(len(seen)), out)
    theirs = [Spacing(x.nearest[kept], x.d1[kept], x.d2[kept], x.spacing[kept]) for x in theirs]
    controls = [*tests, *_of_shift(training_set, held_out, own, seen[kept], ours, theirs, features, rng, seed)]
    controls = pd.DataFrame(controls)[COLUMNS]
    reason = _too_many(len(out), len(seen)) or failed(controls)
    return NullCheck(seen[kept] if len(out) else numbers, table, controls, reason, sentences)


def rows_searched(training_set):
    """Return how many rows a side are searched at most, so that a search compares 1e13 coordinates."""
    return int(np.clip(DISTANCES // (training_set.n * training_set.dim), LEAST_ROWS, MOST_ROWS))


def _of_shift(training_set, held_out, own, seen, ours, theirs, features, rng, seed):
    """Return the controls of shift of the held-out rows seen, where there are two of them; one row of every group."""
    mine, other = _one_of_each_group(training_set, own, rng), _one_of_each_group(held_out, seen, rng)
    if min(len(mine), len(other)) < 2:
        return []
    controls = [separation("spacing", _name(space), b.spacing[other], a.spacing[mine])
                for space, a, b in zip(features, ours, theirs, strict=True)]
    scores = blind_scores(training_set[own[mine][:MOST_BLIND]], held_out[seen[other][:MOST_BLIND]], seed=seed)
    return [*controls, separation("blind", "pixels", scores[1], scores[0])]


def _one_of_each_group(rows, numbers, rng):
    """Return places in `numbers`, in a random order, without a second row of any group."""
    order = rng.permutation(len(numbers))
    groups = rows.group_of(numbers[order])
    return order if groups is None else order[np.sort(np.unique(groups, return_index=True)[1])]


def _name(space):
    return getattr(space, "name", "pixels")


def _too_many(n_out, n):
    """Return why nothing is judged where more than a fifth of the rows were left out."""
    if n_out <= MOST * n:
        return None
    return (f"{n_out} of {n} held-out examples ({n_out / n:.0%}) are nearly training examples, beyond the {MOST:.0%} "
            f"up to "
            "which the others are trusted: give rows that the model was not trained on (--held-out PATH)")

"""Class of a conditional model: the rows that a label asks for, and the set that guidance leads away from.

A network that is asked for class c answers for the rows of that class; with classifier-free guidance of scale w it is

    v_∅ + w (v_c - v_∅),

v_∅ being its answer for no class, which is of all rows. A `TrainingSet` of one class remembers both, so that û* of the
model is made of them wherever it is needed (`fmdiag.posterior.guided`).

References
----------
Ho and Salimans, "Classifier-Free Diffusion Guidance", arXiv 2207.12598, equation 6 (their w + 1 is w here).
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fmdiag.errors import FmdiagError


@dataclass(frozen=True, eq=False)
class Condition:
    """What the rows of one class are a part of.

    Attributes
    ----------
    label : int
        The class.
    guidance : float
        Scale w of classifier-free guidance; 1: none, 0: the class is ignored.
    whole : TrainingSet
        The rows of all classes, flips as in the class's own set.
    numbers : ndarray of int64, shape (n_stored of the class,)
        Which stored rows of `whole` are the class's.
    """

    label: int
    guidance: float
    whole: Any
    numbers: np.ndarray

    def in_whole(self, rows):
        """Return the numbers in `whole` of rows of the class, int64 ndarray of any shape; -1 stays -1."""
        rows, n = np.asarray(rows, np.int64), len(self.numbers)
        mirrored = (rows >= n) * self.whole.n_stored
        return np.where(rows < 0, -1, self.numbers[rows % n] + mirrored)

    def facts(self):
        """Return what decides û*, plain values."""
        return [self.label, self.guidance, self.whole.fingerprint]


def check_alike(training_set):
    """Raise FmdiagError unless the condition and the deviations of a TrainingSet are of its own rows."""
    condition, spread = training_set.condition, getattr(training_set.spread, "rows", None)
    if condition is not None and len(condition.numbers) != len(training_set.rows):
        raise FmdiagError(f"{training_set.name}: its condition is of {len(condition.numbers)} rows, not of these "
                          f"{len(training_set.rows)}: leave it out, or take the class again (of_class)")
    if spread is not None and spread.shape != training_set.rows.shape:
        raise FmdiagError(f"{training_set.name}: deviations of shape {spread.shape} do not belong to rows of shape "
                          f"{training_set.rows.shape}: give both for the same rows")


def described(training_set):
    """Return what a record says of the class, its guidance and the deviations of a TrainingSet; plain values."""
    condition, spread = training_set.condition, training_set.spread
    of_class = {} if condition is None else {"class_label": condition.label, "guidance": condition.guidance}
    sampled = {} if spread is None else {"sampled_anew": spread if isinstance(spread, float) else "per example"}
    return of_class | sampled


def of_class(training_set, label, *, guidance=1.0, held_out_source=None):
    """Return the rows of one class, which remember the whole set and the scale of guidance.

    Parameters
    ----------
    training_set : TrainingSet
        With labels.
    label : int
        The class.
    guidance : float
        Scale w of classifier-free guidance; see `Condition`.
    held_out_source : callable, optional
        Default: the held-out rows of the same class.

    Raises
    ------
    FmdiagError
        If the rows have no labels, none has this one, or guidance is not a finite number.
    """
    if training_set.labels is None:
        raise FmdiagError(f"{training_set.name} has no labels: rows of class {label} and guidance need a training set "
                          "with a label per row")
    if not (isinstance(guidance, int | float) and math.isfinite(guidance)):
        raise FmdiagError(f"guidance must be a finite number, 1 for none, got {guidance}")
    labels = np.asarray(training_set.labels)
    chosen = np.flatnonzero(labels == label)
    if not len(chosen):
        known = np.unique(labels)
        shown = ", ".join(map(str, known[:10])) + (", ..." if len(known) > 10 else "")
        raise FmdiagError(f"{training_set.name} has no row of class {label}: give another label "
                          f"(--class-label), of {shown}")
    # Held-out rows of other classes would be no null for samples of this one.
    beside = held_out_source or (lambda: training_set.held_out and of_class(training_set.held_out, label))
    return training_set.chosen(chosen, name=f"{training_set.name} (class {label})", held_out_source=beside,
                               condition=Condition(int(label), float(guidance), training_set, chosen))


def conditioned(training_set, label=None, guidance=None):
    """Return the rows that a label and a scale of guidance ask for; where neither is given, the set as it is.

    Raises
    ------
    FmdiagError
        If guidance is given for rows of no class; else as in `of_class`.
    """
    if label is not None:
        return of_class(training_set, label, guidance=1.0 if guidance is None else guidance)
    if guidance is None:
        return training_set
    if training_set.condition is None:
        raise FmdiagError(f"guidance {guidance:g} needs a class to lead to: give label= as well, or a training set of "
                          "one class (TrainingSet.of_class)")
    return of_class(training_set.condition.whole, training_set.condition.label, guidance=guidance,
                    held_out_source=training_set.held_out_source)


def unguided(training_set):
    """Return the same rows without guidance, which is no part of what a model is trained for."""
    condition = training_set.condition
    if condition is None or condition.guidance == 1:
        return training_set
    return replace(training_set, condition=replace(condition, guidance=1.0))

"""The test of a reading: what a foreign network is taken for, against the training rows, in each quarter of time.

With x_t = (1-t) x0 + t x1 and the velocity u of a reading,

    L(u) - L(0) = E||u - (x1 - x0)||^2 - E||x1 - x0||^2 = E[||u||^2 - 2 <u, x1 - x0>],

as means over coordinates. Any network that was trained is better than the zero field: û*, the minimiser, is by
E||û*||^2, and one that generalizes is nearer to it than 0 is. A reading with another output, time or schedule is worse
than 0 in some quarter of time, and is refused there. An untrained network is as well, so that the message says both.
Near t = 0 a velocity from epsilon, near t = 1 one from x1 has the network's error over t or 1 - t: there three times
the zero field's loss is let pass.

The bound: the mean over 64 independent pairs must lie QUANTILE standard errors above 0. If it were 0 in truth,
Student's distribution with 63 degrees of freedom would exceed 4 once in 12 000 quarters; a trained network lies far
below 0. A reading that passes while its mirror images or another output fit better, by as much, is a caution.
"""

import math
import warnings

import numpy as np
import torch

from fmdiag.checkpoints.cautions import accepted_reading, equal_reading, wrong_reading
from fmdiag.checkpoints.foreign import ASSUMED, ForeignField
from fmdiag.checkpoints.other_readings import better_reading, readings
from fmdiag.checkpoints.reading_points import QUARTERS, draw_points
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import ClosedFormField
from fmdiag.paths import LinearPath

MOST_COORDINATES = 10**8  # of a training set whose û* is computed for the message
# Other readings of one that passes are asked about fewer pairs: a better one lowers the loss by a share of the zero
# field's in the mean and raises it by no more anywhere; one that is advised for a refused one may raise it by more.
N_COMPARED, MARGIN, ELSEWHERE = 16, 0.02, 0.1
TRAINED = 0.1  # of the zero field's loss: what a network must be better by before readings are called equal


def check_reading(checkpoint, training_set, *, accept=False, seed=0):
    """Test the reading of a foreign checkpoint on its training rows; note the outcome in its description.

    Parameters
    ----------
    checkpoint : Checkpoint
        Native ones pass: they record what their network is.
    training_set : TrainingSet
        The rows that the model was trained on.
    accept : bool
        Warn instead of refusing.
    seed : int
        Of pairs and noise.

    Raises
    ------
    FmdiagError
        If the reading is worse than the zero field in some quarter of time, and `accept` is False.
    """
    if not isinstance(checkpoint.field, ForeignField):
        return
    field = ForeignField(checkpoint.field.foreign, label=checkpoint.field.label)  # guidance is no part of a reading
    coupling = checkpoint.description.get("coupling")
    points = draw_points(training_set, field.reachable, ot=coupling == "ot", seed=seed)
    if points is None:
        return
    found = points.reading(field(points.x.float(), points.t), field.convention.parameterisation)
    if coupling == "ot":
        # Near noise, the transport of 64 pairs is not that of the batches that the network was trained on.
        found.excess[0] = np.nan
    zero = points.zero
    checkpoint.description["reading"] = {
        "quarters": [list(ends) for ends in QUARTERS], "loss": _plain(zero + found.excess[:, 0]),
        "zero_field": _plain(zero), "settled": found.worst is None}
    if found.worst is None:
        _compare(checkpoint, training_set, field, points, found, zero)
        return
    text = _refusal(checkpoint, training_set, field, points, found, zero)
    if not accept:
        raise FmdiagError(f"{checkpoint.file}: {text}; --accept-reading measures it all the same")
    checkpoint.description["warnings"].append(accepted_reading(text))
    warnings.warn(accepted_reading(text), FmdiagWarning, stacklevel=3)


def _compare(checkpoint, training_set, field, points, found, zero):
    """Warn where another output, time or schedule fits the rows better, or as well as one that is assumed."""
    margin, candidates = MARGIN * float(np.nanmean(zero)), list(readings(field, training_set, N_COMPARED, 0))
    own = next((reading for reading in candidates if not reading.options), found)  # on the same points as the others
    better = [reading for reading in candidates if reading.beats(own, margin) and reading.nowhere_worse(own, margin)]
    best = min(better, key=lambda reading: reading.total, default=None)
    level = float(np.nanmean(zero))
    if best is not None and best.total < _enough(_optimum(training_set, points), zero):
        _caution(checkpoint, wrong_reading(best.options, level + best.total, level + own.total, level))
    elif _is_assumed(checkpoint) and own.total < -TRAINED * level:
        equal = [reading.options for reading in candidates if reading.options and reading.worst is None
                 and reading.equals(own, margin)]
        if equal:
            _caution(checkpoint, equal_reading(" or ".join(equal[:3])))


def _is_assumed(checkpoint):
    """Return whether neither the file nor the user says what output, time or schedule is."""
    origin = checkpoint.description.get("origin") or {}
    said = {origin.get(name) for name in ("parameterisation", "time", "schedule")} - {None, ASSUMED}
    return not checkpoint.field.foreign.convention_read and not said


def _caution(checkpoint, text):
    checkpoint.description["reading"]["settled"] = False
    checkpoint.description["warnings"].append(text)
    warnings.warn(text, FmdiagWarning, stacklevel=5)


def _enough(optimum, zero):
    """Return the loss minus the zero field's that tells a trained network: half of û*'s, a mean over time."""
    return min(0.0, float(np.nanmean((0 if optimum is None else optimum) - zero)) / 2)


def _refusal(checkpoint, training_set, field, points, found, zero):
    """Return the sentence that says where the reading fails, by how much, and what would fit better."""
    k, known = found.worst, checkpoint.description
    low, high = QUARTERS[k]
    optimum = _optimum(training_set, points)
    against = f"the zero field's {zero[k]:.3g}" + ("" if optimum is None else f" and û*'s {optimum[k]:.3g}")
    text = (f"read as {known['family']} ({field.convention.parameterisation}, {field.convention.describe()['time']}), "
            f"the network fits its training examples worse than no network at all: at t = {low:g} to {high:g} its loss "
            f"is {zero[k] + found.excess[k, 0]:.3g}, beside {against}")
    better = better_reading(field, training_set, than=found, margin=ELSEWHERE * float(np.nanmean(zero)),
                            coupling=known.get("coupling"), enough=_enough(optimum, zero))
    if better is not None:
        return (f"{text}; {better.options} fits better ({zero[k] + better.excess[k, 0]:.3g} there): give that, "
                "or the right --family")
    heads = ", --heads" if ASSUMED in [(known.get("origin") or {}).get(name) for name in ("heads", "attention")] else ""
    return (f"{text}; no other output, time or schedule that was tried fits: it is untrained or diverged, or another "
            f"--family{heads}, --weights, or other rows (--dataset, --value-range) belong to it")


def _optimum(training_set, points):
    """Return û*'s loss per quarter, shape (4,), or None where the training set is large."""
    if training_set.n * training_set.dim > MOST_COORDINATES:
        return None
    u_star, loss = ClosedFormField(training_set, LinearPath()), torch.zeros(len(points.t), dtype=torch.float64)
    for t in points.t.unique():
        at = points.t == t
        velocity = u_star(points.x[at], float(t)).cpu().double()
        loss[at] = (velocity - (points.x1 - points.x0)[at]).square().flatten(1).mean(1)
    return points.by_quarter(loss.numpy())[:, 0]


def _plain(values):
    return [None if math.isnan(value) else float(f"{value:.6g}") for value in values]

"""The test of a reading: what a foreign network is taken for, against the training rows, in each quarter of time.

With x_t = (1-t) x0 + t x1 and the velocity u of a reading,

    L(u) - L(0) = E||u - (x1 - x0)||^2 - E||x1 - x0||^2 = E[||u||^2 - 2 <u, x1 - x0>],

as means over coordinates. Any network that was trained is better than the zero field: û*, the minimiser, is by
E||û*||^2, and one that generalizes is nearer to it than 0 is. A reading with another output, time or schedule is worse
than 0 in some quarter of time, and is refused there. An untrained network is as well, so that the message says both.

The bound: the mean over 64 independent pairs must lie QUANTILE standard errors above 0. If it were 0 in truth,
Student's distribution with 63 degrees of freedom would exceed 4 once in 12 000 quarters; a trained network lies far
below 0. A reading that passes while its mirror images or another output fit better, by as much, is a caution.
"""

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch

from fmdiag.checkpoints.cautions import accepted_reading, wrong_reading
from fmdiag.checkpoints.convention import DIRECTIONS, NAMED_SCHEDULES, PARAMETERISATIONS, SINGULAR
from fmdiag.checkpoints.foreign import ASSUMED, ForeignField
from fmdiag.checkpoints.schedules import PathSchedule
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import ClosedFormField
from fmdiag.paths import CosinePath, LinearPath, VPPath

# The ends are left out: near t = 0 a velocity from epsilon, near t = 1 one from x1 has the network's error over t or
# 1 - t.
QUARTERS = ((0.1, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.9))
TIMES_PER_QUARTER, N_PAIRS, QUANTILE = 4, 64, 4.0
# Other readings of one that passes: asked about fewer pairs, and better only by a share of the zero field's loss.
N_COMPARED, MARGIN = 16, 0.02
MOST_COORDINATES = 10**8  # of a training set whose û* is computed for the message
SCALES = (1.0, 1000.0)
PATHS = tuple(PathSchedule(path) for path in (LinearPath(), CosinePath(), VPPath()))


@dataclass(frozen=True)
class Points:
    """Pairs and the times at which a field is asked about them: x0, x1 (b, *shape), t (b,), quarter (b,), float64."""

    x0: torch.Tensor
    x1: torch.Tensor
    t: torch.Tensor
    quarter: np.ndarray

    @property
    def x(self):
        """Points x_t, shape (b, *shape)."""
        return self._along(1 - self.t) * self.x0 + self._along(self.t) * self.x1

    def excess(self, velocity):
        """Return ||u||^2 - 2 <u, x1 - x0> of each point, a mean over coordinates, ndarray of shape (b,)."""
        velocity = velocity.cpu().double()
        return (velocity * (velocity - 2 * (self.x1 - self.x0))).flatten(1).mean(1).numpy()

    def by_quarter(self, values):
        """Return (mean, standard error) of each quarter; NaN where it has no point."""
        parts = [values[self.quarter == k] for k in range(len(QUARTERS))]
        return np.array([(p.mean(), p.std(ddof=1) / math.sqrt(len(p))) if len(p) else (np.nan, np.nan) for p in parts])

    def _along(self, t):
        return t.reshape(-1, *[1] * (self.x0.ndim - 1))


@dataclass(frozen=True)
class Reading:
    """How well a reading fits the rows.

    Parameters
    ----------
    excess : ndarray, shape (4, 2)
        Loss minus the zero field's, (mean, standard error) per quarter of time.
    options : str
        What leads to it.
    """

    excess: np.ndarray
    options: str = ""

    @property
    def worst(self):
        """The quarter in which it is worse than the zero field beyond the bound, the worst of them; else None."""
        over = self.excess[:, 0] - QUANTILE * self.excess[:, 1]
        return int(np.nanargmax(over)) if bool((over > 0).any()) else None

    @property
    def total(self):
        """Mean over the quarters that were reached."""
        return float(np.nanmean(self.excess[:, 0]))

    def beats(self, other, margin):
        """Return whether it fits better than another reading in the mean over time, by a margin beyond the bound."""
        variance = self.excess[:, 1] ** 2 + other.excess[:, 1] ** 2
        error = math.sqrt(np.nansum(variance)) / max(1, int((~np.isnan(variance)).sum()))
        return self.worst is None and self.total < other.total - max(margin, QUANTILE * error)


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
    points = _points(training_set, field.reachable, ot=coupling == "ot", seed=seed)
    if points is None:
        return
    found = Reading(points.by_quarter(points.excess(field(points.x.float(), points.t))))
    zero = points.by_quarter((points.x1 - points.x0).square().flatten(1).mean(1).numpy())[:, 0]
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


def better_reading(field, training_set, *, coupling="independent", enough=0.0, seed=0):
    """Return the Reading, of those that can be named by options, that fits the rows best, or None.

    Parameters
    ----------
    field : ForeignField
        The network, read in any way.
    training_set : TrainingSet
        Its rows.
    coupling : str
        ``"independent"`` or ``"ot"``, as it was trained.
    enough : float
        Loss minus the zero field's, a mean over time, that it must have at most: an untrained network is a little
        better than 0 in some reading or other.
    seed : int
        Of pairs and noise.
    """
    fitting = [reading for reading in _conventions(field, training_set, N_PAIRS, seed)
               if reading.worst is None and reading.total < enough]
    best = min(fitting, key=lambda reading: reading.total, default=None)
    # û* of independent pairs, and with it `enough`, is no measure of transported ones.
    other = None if coupling == "ot" else _transported(field, training_set, seed)
    if other is None or other.worst is not None or other.total >= 0 or (best is not None and not best.options):
        return best
    return other if best is None else replace(best, options=f"{best.options} or {other.options}")


def _compare(checkpoint, training_set, field, points, found, zero):
    """Warn where another output, direction of time or schedule fits the rows better."""
    margin = MARGIN * float(np.nanmean(zero))
    better = [reading for reading in _conventions(field, training_set, N_COMPARED, 0)
              if reading.beats(found, margin)]
    best = min(better, key=lambda reading: reading.total, default=None)
    if best is not None and best.total < _enough(_optimum(training_set, points), zero):
        text = wrong_reading(best.options)
        checkpoint.description["reading"]["settled"] = False
        checkpoint.description["warnings"].append(text)
        warnings.warn(text, FmdiagWarning, stacklevel=4)


def _enough(optimum, zero):
    """Return the loss minus the zero field's that tells a trained network: half of û*'s, a mean over time."""
    return min(0.0, float(np.nanmean((0 if optimum is None else optimum) - zero)) / 2)


def _points(training_set, reachable, *, ot=False, n_pairs=N_PAIRS, seed=0):
    """Return the Points of all quarters that a schedule reaches, None where it reaches none."""
    generator = torch.Generator().manual_seed(seed)
    # No mirror images: whether the model was trained on them is another question.
    rows = torch.randint(training_set.n_stored, (n_pairs,), generator=generator)
    x0 = torch.randn(n_pairs, *training_set.shape, generator=generator).double()
    x1 = training_set[rows.numpy()].double()
    if ot:
        from scipy.optimize import linear_sum_assignment

        x1 = x1[linear_sum_assignment(-(x0.flatten(1) @ x1.flatten(1).T).numpy())[1]]
    parts = []
    for k, (low, high) in enumerate(QUARTERS):
        low, high = max(low, reachable[0] + SINGULAR), min(high, reachable[1] - SINGULAR)
        # Near noise, the transport of 64 pairs is not that of the batches that the network was trained on.
        if low < high and not (ot and k == 0):
            steps = (torch.arange(n_pairs) % TIMES_PER_QUARTER + 0.5) / TIMES_PER_QUARTER
            parts.append((k, (low + (high - low) * steps).float().double()))
    if not parts:
        return None
    return Points(x0.repeat(len(parts), *[1] * (x0.ndim - 1)), x1.repeat(len(parts), *[1] * (x1.ndim - 1)),
                  torch.cat([t for _, t in parts]), np.repeat([k for k, _ in parts], n_pairs))


def _conventions(field, training_set, n_pairs, seed):
    """Yield a Reading of every output, direction, time scale and schedule: the network is asked once for each time."""
    own = field.convention
    schedules = [*PATHS, *(make() for make in NAMED_SCHEDULES.values()), own.schedule]
    for schedule in {str(schedule.describe()): schedule for schedule in schedules}.values():
        timed = ([(direction, scale) for direction in DIRECTIONS for scale in dict.fromkeys((own.time_scale, *SCALES))]
                 if isinstance(schedule, PathSchedule) else [(own.time_direction, own.time_scale)])
        for direction, scale in timed:
            convention = replace(own, schedule=schedule, parameterisation="v", time_direction=direction,
                                 time_scale=scale)
            yield from _outputs(field, convention, training_set, n_pairs, seed)


def _outputs(field, convention, training_set, n_pairs, seed):
    """Yield a Reading of every output under a convention's schedule and time."""
    asked = None
    for parameterisation in PARAMETERISATIONS:
        if "velocity" in parameterisation and not isinstance(convention.schedule, PathSchedule):
            continue
        convention = replace(convention, parameterisation=parameterisation)
        points = _points(training_set, convention.reachable, n_pairs=n_pairs, seed=seed)
        if points is None or len(set(points.quarter)) < len(QUARTERS):
            continue
        try:
            asked = asked or ForeignField(replace(field.foreign, convention=convention), label=field.label).asked(
                points.x, points.t)
        except FmdiagError:
            return  # it cannot be asked in this way, as an embedding of whole steps cannot be about fractions
        yield Reading(points.by_quarter(points.excess(convention.velocity(*asked))), _options(field, convention))


def _transported(field, training_set, seed):
    """Return the same reading of a network that was trained on optimal transport pairs; None out of its reach."""
    points = _points(training_set, field.reachable, ot=True, seed=seed)
    if points is None:
        return None
    return Reading(points.by_quarter(points.excess(field(points.x.float(), points.t))), "--coupling ot")


def _options(field, convention):
    """Return the options that lead from a field's convention to another one."""
    own = field.convention
    parts = []
    if convention.schedule.describe() != own.schedule.describe():
        names = {str(make().describe()): name for name, make in NAMED_SCHEDULES.items()}
        parts.append(f"--path {names.get(str(convention.schedule.describe()), convention.schedule.describe()['name'])}")
    if convention.parameterisation != own.parameterisation:
        parts.append(f"--parameterisation={convention.parameterisation}")
    if convention.time_direction != own.time_direction:
        parts.append(f"--time-direction {convention.time_direction}")
    if convention.time_scale != own.time_scale:
        parts.append(f"--time-scale {convention.time_scale:g}")
    return " ".join(parts)


def _refusal(checkpoint, training_set, field, points, found, zero):
    """Return the sentence that says where the reading fails, by how much, and what would fit better."""
    k, known = found.worst, checkpoint.description
    low, high = QUARTERS[k]
    optimum = _optimum(training_set, points)
    against = f"the zero field's {zero[k]:.3g}" + ("" if optimum is None else f" and û*'s {optimum[k]:.3g}")
    text = (f"read as {known['family']} ({field.convention.parameterisation}, {field.convention.describe()['time']}), "
            f"the network fits its training rows worse than no network at all: at t = {low:g} to {high:g} its loss is "
            f"{zero[k] + found.excess[k, 0]:.3g}, beside {against}")
    better = better_reading(field, training_set, coupling=known.get("coupling"), enough=_enough(optimum, zero))
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

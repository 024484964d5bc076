"""The other readings of a network: every output, direction of time, time scale and schedule that options can name.

The network is asked once for each schedule and time; all outputs are read from the same answers.
"""

from dataclasses import replace

import torch

from fmdiag.checkpoints.convention import DIRECTIONS, PARAMETERISATIONS
from fmdiag.checkpoints.foreign import ForeignField
from fmdiag.checkpoints.named_schedules import DISTINCT, name_of, named_schedule
from fmdiag.checkpoints.reading_points import N_PAIRS, QUARTERS, draw_points
from fmdiag.checkpoints.schedules import DiscreteSchedule, PathSchedule
from fmdiag.errors import FmdiagError
from fmdiag.paths import CosinePath, LinearPath, VPPath

SCALES = (1.0, 1000.0)
LEAST = 8  # steps of a table
PATHS = tuple(PathSchedule(path) for path in (LinearPath(), CosinePath(), VPPath()))


def better_reading(field, training_set, *, than=None, margin=0.0, coupling="independent", enough=0.0, seed=0):
    """Return the Reading, of those that can be named by options, that fits the rows best, or None.

    Parameters
    ----------
    field : ForeignField
        The network, read in any way.
    training_set : TrainingSet
        Its rows.
    than : Reading, optional
        How it is read, which the better one must not be worse than in any quarter of time by more than `margin`.
    margin : float
        Of loss.
    coupling : str
        ``"independent"`` or ``"ot"``, as it was trained.
    enough : float
        Loss minus the zero field's, a mean over time, that it must have at most: an untrained network is a little
        better than 0 in some reading or other.
    seed : int
        Of pairs and noise.
    """
    fitting = [reading for reading in readings(field, training_set, N_PAIRS, seed) if reading.worst is None
               and reading.total < enough and (than is None or reading.nowhere_worse(than, margin))]
    best = min(fitting, key=lambda reading: reading.total, default=None)
    if best is not None and best.options:
        equal = [other.options for other in fitting if other is not best and other.equals(best, margin)][:2]
        best = replace(best, options=" or ".join([best.options, *equal]))
    # û* of independent pairs, and with it `enough`, is no measure of transported ones.
    other = None if coupling == "ot" else _transported(field, training_set, seed)
    if other is None or other.worst is not None or other.total >= 0 or (best is not None and not best.options):
        return best
    return other if best is None else replace(best, options=f"{best.options} or {other.options}")


def readings(field, training_set, n_pairs, seed):
    """Yield a Reading of every output, direction, time scale and schedule: the network is asked once for each time."""
    for convention in _conventions(field):
        yield from _outputs(field, convention, training_set, n_pairs, seed)


def _conventions(field):
    """Yield the conventions of every schedule and time; whole steps as many as a table of the network has."""
    own, tables = field.convention, _tables(field)
    plain = replace(own, parameterisation="v", steps=None, step_offset=None)
    paths = [path for path in PATHS if path.describe() != own.schedule.describe()]
    for schedule in [own.schedule] * isinstance(own.schedule, PathSchedule) + paths:
        for direction in DIRECTIONS:
            for scale in dict.fromkeys((own.time_scale, *SCALES)) if not own.steps else ():
                yield replace(plain, schedule=schedule, time_direction=direction, time_scale=scale)
            for steps in tables if schedule.describe()["name"] == "linear" else ():
                offset = own.step_offset if (steps, direction) == (own.steps, own.time_direction) else None
                yield replace(plain, schedule=schedule, time_direction=direction, steps=steps, step_offset=offset,
                              time_scale=1.0)
    diffusion = [named_schedule(name) for name in DISTINCT]
    diffusion += [named_schedule(f"{name}:{steps}") for steps in tables if steps != 1000 and steps > 21
                  for name in DISTINCT[:2]]
    same = name_of(own.schedule)
    for schedule in [own.schedule] * (not isinstance(own.schedule, PathSchedule)) + [
            schedule for schedule in diffusion if same is None or name_of(schedule) != same]:
        length = len(schedule.abar) if isinstance(schedule, DiscreteSchedule) else None
        yield replace(plain, schedule=schedule, steps=length if length in tables else None)


def _tables(field):
    """Return the lengths of a network's tables that may be of whole steps: not those of its classes."""
    found = {part.num_embeddings for part in field.foreign.module.modules() if isinstance(part, torch.nn.Embedding)}
    known = {field.convention.steps} - {None}
    return sorted(known | {n for n in found if n >= LEAST and abs(n - field.foreign.n_classes) > 1})[:3]


def _outputs(field, convention, training_set, n_pairs, seed):
    """Yield a Reading of every output under a convention's schedule and time."""
    asked = None
    for parameterisation in PARAMETERISATIONS:
        if "velocity" in parameterisation and not isinstance(convention.schedule, PathSchedule):
            continue
        convention = replace(convention, parameterisation=parameterisation)
        points = draw_points(training_set, convention.reachable, n_pairs=n_pairs, seed=seed)
        if points is None or len(set(points.quarter)) < len(QUARTERS):
            continue
        try:
            asked = asked or ForeignField(replace(field.foreign, convention=convention), label=field.label).asked(
                points.x, points.t)
        except FmdiagError:
            return  # it cannot be asked in this way, as an embedding of whole steps cannot be about fractions
        yield points.reading(convention.velocity(*asked), parameterisation, _options(field, convention))


def _transported(field, training_set, seed):
    """Return the same reading of a network that was trained on optimal transport pairs; None out of its reach."""
    points = draw_points(training_set, field.reachable, ot=True, seed=seed)
    if points is None:
        return None
    return points.reading(field(points.x.float(), points.t), field.convention.parameterisation, "--coupling ot")


def _options(field, convention):
    """Return the options that lead from a field's convention to another one."""
    own = field.convention
    parts = []
    if convention.schedule.describe() != own.schedule.describe():
        parts.append(f"--path {name_of(convention.schedule) or convention.schedule.describe()['name']}")
    if convention.parameterisation != own.parameterisation:
        parts.append(f"--parameterisation={convention.parameterisation}")
    if convention.time_direction != own.time_direction:
        parts.append(f"--time-direction {convention.time_direction}")
    if convention.time_scale != own.time_scale:
        parts.append(f"--time-scale {convention.time_scale:g}")
    if convention.steps != own.steps and isinstance(convention.schedule, PathSchedule):
        parts.append(f"steps = {convention.steps} in the card's [convention]" if convention.steps else
                     "no steps in the card's [convention]")
    return " ".join(parts)

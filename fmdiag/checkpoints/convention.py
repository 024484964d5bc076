"""Convention of a network: its output as a velocity u on x_t = (1-t) x0 + t x1, t = 0 noise.

With the native point x^ = alpha x1 + sigma x0 = c x_t, c = alpha + sigma, and output o (each checked against û*):

    velocity     o = alpha' x1 + sigma' x0       u = (c o - c' x^) / (alpha' sigma - alpha sigma')
    epsilon      o = x0                          u = (x_t - o) / t
    x1           o = E[x1]                       u = (o - x_t) / (1 - t)
    v            o = (alpha x0 - sigma x1)       u = -o/n + (2t - 1) x_t / n^2,   n^2 = t^2 + (1-t)^2
    score        o = -x0 / sigma                 as epsilon

`velocity` is the derivative along the model's *own* time: one whose time runs from data to noise returns x0 - x1 on
the straight path. ``-velocity`` is its opposite.
"""

from dataclasses import dataclass, replace

from fmdiag.checkpoints.named_schedules import NAMES, named_schedule, usual_output
from fmdiag.checkpoints.schedules import DiscreteSchedule, PathSchedule
from fmdiag.errors import FmdiagError, check_choice
from fmdiag.paths import PATHS, expand, path_from_description, path_from_name

PARAMETERISATIONS = ("velocity", "-velocity", "epsilon", "x1", "v", "score")
DIRECTIONS = ("noise-to-data", "data-to-noise")
# epsilon says nothing about x1 at t = 0, x1 nothing about x0 at t = 1, a velocity that is 0 or infinite nothing about
# either: u would be 0/0 there.
SINGULAR = 1e-3


@dataclass(frozen=True)
class Convention:
    """How a native network is called and read.

    Parameters
    ----------
    schedule : PathSchedule, DiscreteSchedule or EDMSchedule
        Noise levels over native time.
    parameterisation : str
        What the output is, one of PARAMETERISATIONS.
    time_direction : str
        Whether native time 0 is noise or data; diffusion steps and sigma have a direction of their own.
    time_scale : float
        What the network is given at the end of its time, e.g. 1000 or 999.
    steps : int, optional
        Number T of whole steps that the network knows, as an embedding table does. From noise to data step k stands for
        t = k / T, from data to noise for t = 1 - (k + 1) / T; between two steps the nearer one is given. On a
        discrete schedule, too, the nearer step is given then.
    step_offset : int, optional
        What is added to k instead of 0 (from noise to data) and 1 (from data to noise).
    """

    schedule: object
    parameterisation: str = "velocity"
    time_direction: str = "noise-to-data"
    time_scale: float = 1.0
    steps: int | None = None
    step_offset: int | None = None

    def __post_init__(self):
        """Refuse unknown names."""
        check_choice("parameterisation", self.parameterisation, PARAMETERISATIONS)
        check_choice("time direction", self.time_direction, DIRECTIONS)
        if "velocity" in self.parameterisation and not isinstance(self.schedule, PathSchedule):
            raise FmdiagError("parameterisation velocity needs a probability path with a derivative; a diffusion "
                              "schedule has epsilon, x1, v or score")

    @property
    def reachable(self):
        """Interval of t in which the network can be asked."""
        low, high = self.schedule.reachable
        if self.steps and isinstance(self.schedule, PathSchedule):
            first, last = sorted(map(self._step_time, (0, self.steps - 1)))
            low, high = max(low, first), min(high, last)
        if "velocity" in self.parameterisation:
            first, last = self.schedule.singular_ends
            low, high = max(low, SINGULAR) if first else low, min(high, 1 - SINGULAR) if last else high
        if self.parameterisation in ("epsilon", "score"):
            low = max(low, SINGULAR)
        if self.parameterisation == "x1":
            high = min(high, 1 - SINGULAR)
        return low, high

    def model_time(self, position):
        """Return what the network is given as time, shape (b,): float32, or int64 where diffusion steps are whole."""
        whole = self.steps or bool((position.time == position.time.round()).all())
        if isinstance(self.schedule, DiscreteSchedule) and whole:
            return position.time.round().long()
        if not isinstance(self.schedule, PathSchedule):
            return position.time.float()
        backward = self.time_direction == "data-to-noise"
        if self.steps:
            step = ((1 - position.time if backward else position.time) * self.steps).round().long() - self._offset
            return step.clamp(0, self.steps - 1)
        return (self.time_scale * (1 - position.time if backward else position.time)).float()

    @property
    def _offset(self):
        return self.step_offset if self.step_offset is not None else int(self.time_direction == "data-to-noise")

    def _step_time(self, k):
        """Return t of a whole step."""
        share = (k + self._offset) / self.steps
        return 1 - share if self.time_direction == "data-to-noise" else share

    def native_point(self, x, position):
        """Return x^ = (alpha + sigma) x_t."""
        return expand(position.alpha + position.sigma, x) * x

    def velocity(self, output, x, t, position):
        """Return u in float64 from the output at x^; output and x of shape (b, *shape), t of shape (b,)."""
        output, x = output.double(), x.double()
        kind = self.parameterisation
        if kind in ("velocity", "-velocity"):
            return self._from_velocity(output, x, position, kind)
        n = (t.square() + (1 - t).square()).sqrt()
        if kind == "v":
            return -output / expand(n, x) + expand((2 * t - 1) / n.square(), x) * x
        if kind == "x1":
            return (output - x) / expand(1 - t, x)
        noise = -expand(position.sigma, x) * output if kind == "score" else output
        return (x - noise) / expand(t, x)

    def _from_velocity(self, output, x, position, kind):
        sign = -1 if (kind == "-velocity") != (self.time_direction == "data-to-noise") else 1
        scale = position.alpha + position.sigma
        drift = (position.d_alpha + position.d_sigma) * scale
        determinant = position.d_alpha * position.sigma - position.alpha * position.d_sigma
        return (expand(scale / determinant, x) * (sign * output)) - expand(drift / determinant, x) * x

    def overridden(self, *, parameterisation=None, time_direction=None, time_scale=None, path=None, steps=None,
                   step_offset=None):
        """Return the convention with what the user gave in place of what was inferred."""
        if isinstance(path, str) and parameterisation is None and named_schedule(path) is not None:
            # What the network returned on a path is no output of a diffusion schedule.
            parameterisation = usual_output(path) if "velocity" in self.parameterisation else None
        given = {"parameterisation": parameterisation, "time_scale": time_scale, "time_direction": time_direction,
                 "steps": steps, "step_offset": step_offset}
        changes = {name: value for name, value in given.items() if value is not None}
        if path is not None:
            changes["schedule"] = _schedule(path)
        changed = replace(self, **changes)
        discrete = isinstance(changed.schedule, DiscreteSchedule)
        if steps and not discrete and (changed.schedule.describe().get("name") != "linear" or time_scale):
            raise FmdiagError("steps in the model card belong to the linear path and have no time_scale: leave one out")
        if step_offset is not None and (discrete or not changed.steps):
            raise FmdiagError("step_offset in the model card belongs to steps on the linear path: leave it out, or "
                              "give steps")
        if not isinstance(changed.schedule, PathSchedule) and (time_direction or time_scale):
            raise FmdiagError("--time-direction and --time-scale belong to probability paths; this checkpoint's "
                              f"schedule is {self.schedule.describe()['name']}, whose times are fixed")
        return changed

    def describe(self):
        """Return plain values for the description."""
        return {"schedule": self.schedule.describe(), "parameterisation": self.parameterisation,
                "time": self._time_text(), "reachable": [float(end) for end in self.reachable]}

    def _time_text(self):
        if not isinstance(self.schedule, PathSchedule):
            name = "sigma = (1-t)/t" if self.schedule.describe()["name"] == "edm" else (
                f"{'whole ' * bool(self.steps)}step of equal noise level")
            return f"model time = {name}"
        if self.steps:
            share = "(1 - t)" if self.time_direction == "data-to-noise" else "t"
            step = f"{self.steps} {share}" + (f" - {self._offset}" if self._offset else "")
            return f"model time = the whole step nearest to {step}, {self.time_direction}"
        level = "t" if self.schedule.describe().get("name") == "linear" else "s(t), of equal noise level"
        native = f"(1 - {level})" if self.time_direction == "data-to-noise" else level
        return f"model time = {'' if self.time_scale == 1 else f'{self.time_scale:g} '}{native}, {self.time_direction}"


def _schedule(path):
    """Return the schedule that a name or a description means."""
    if not isinstance(path, str):
        return PathSchedule(path_from_description(path))
    schedule = named_schedule(path)
    if schedule is not None:
        return schedule
    check_choice("probability path", path.partition(":")[0], [*PATHS, *NAMES])
    return PathSchedule(path_from_name(path))

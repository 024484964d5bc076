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

from fmdiag.checkpoints.schedules import DiscreteSchedule, EDMSchedule, PathSchedule, ddpm_schedule
from fmdiag.errors import FmdiagError, check_choice
from fmdiag.paths import PATHS, expand, path_from_description, path_from_name

PARAMETERISATIONS = ("velocity", "-velocity", "epsilon", "x1", "v", "score")
DIRECTIONS = ("noise-to-data", "data-to-noise")
# Schedules of diffusion models that are named as paths are: 1000 steps of betas from 1e-4 to 0.02, and EDM's sigma.
NAMED_SCHEDULES = {"ddpm": ddpm_schedule, "edm": EDMSchedule}
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
        t = k / T, from data to noise for t = 1 - (k + 1) / T; between two steps the nearer one is given.
    """

    schedule: object
    parameterisation: str = "velocity"
    time_direction: str = "noise-to-data"
    time_scale: float = 1.0
    steps: int | None = None

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
        high = min(high, 1 - 1 / self.steps) if self.steps else high
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
        if isinstance(self.schedule, DiscreteSchedule) and bool((position.time == position.time.round()).all()):
            return position.time.long()
        if not isinstance(self.schedule, PathSchedule):
            return position.time.float()
        backward = self.time_direction == "data-to-noise"
        if self.steps:
            whole = ((1 - position.time if backward else position.time) * self.steps).round().long() - int(backward)
            return whole.clamp(0, self.steps - 1)
        return (self.time_scale * (1 - position.time if backward else position.time)).float()

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

    def overridden(self, *, parameterisation=None, time_direction=None, time_scale=None, path=None, steps=None):
        """Return the convention with what the user gave in place of what was inferred."""
        given = {"parameterisation": parameterisation, "time_scale": time_scale, "time_direction": time_direction,
                 "steps": steps}
        changes = {name: value for name, value in given.items() if value is not None}
        if path is not None:
            changes["schedule"] = _schedule(path)
        changed = replace(self, **changes)
        if steps and (changed.schedule.describe().get("name") != "linear" or time_scale):
            raise FmdiagError("steps in the model card belong to the linear path and have no time_scale: leave one out")
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
            name = "sigma = (1-t)/t" if self.schedule.describe()["name"] == "edm" else "step of equal noise level"
            return f"model time = {name}"
        if self.steps:
            step = f"{self.steps} (1 - t) - 1" if self.time_direction == "data-to-noise" else f"{self.steps} t"
            return f"model time = the whole step nearest to {step}, {self.time_direction}"
        level = "t" if self.schedule.describe().get("name") == "linear" else "s(t), of equal noise level"
        native = f"(1 - {level})" if self.time_direction == "data-to-noise" else level
        return f"model time = {'' if self.time_scale == 1 else f'{self.time_scale:g} '}{native}, {self.time_direction}"


def _schedule(path):
    """Return the schedule that a name or a description means."""
    if not isinstance(path, str):
        return PathSchedule(path_from_description(path))
    if path in NAMED_SCHEDULES:
        return NAMED_SCHEDULES[path]()
    check_choice("probability path", path.partition(":")[0], [*PATHS, *NAMED_SCHEDULES])
    return PathSchedule(path_from_name(path))

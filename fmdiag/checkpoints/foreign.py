"""A network of another library as a velocity field: asked in its own convention, answered in ours.

Where its schedule cannot reach the noise level of a time t, the field is NaN: masked, never extrapolated.
"""

import math
from dataclasses import dataclass, field

import torch

from fmdiag.checkpoints.conditions import in_words
from fmdiag.checkpoints.convention import Convention
from fmdiag.devices import is_of_the_machine
from fmdiag.errors import FmdiagError
from fmdiag.fields.contract import NON_FINITE
from fmdiag.fields.network import COORDINATES_PER_BATCH
from fmdiag.memory import in_pieces
from fmdiag.paths import expand, times_like

# Bounds are no float32 numbers, and libraries compute their schedules in float32.
ROUNDING = 1e-6
READ, ASSUMED, GIVEN = "read from the file", "assumed", "given"


@dataclass
class Foreign:
    """What a family's loader found.

    Parameters
    ----------
    family : str
        Name of the family.
    module : torch.nn.Module
        With its weights.
    call : callable
        ``call(module, x, time, labels)`` -> output; labels is None for models without classes.
    convention : Convention
        Of the output and the time.
    read, assumed : dict
        Facts for the description by where they come from; `known` is both.
    shape : tuple, optional
        (c, h, w), h and w None where any size fits.
    n_classes, null_label : int or None
        Class labels, and the one that stands for none.
    null_trained : bool or None
        Whether training gave the network the label for none; None where the file does not say.
    own_class : bool
        Whether a model card names the class, which may or may not use the label that it is given.
    times : callable, optional
        ``times(n_steps)`` -> times from noise to data, ending with 1, at which its own sampler asks it.
    condition : path, optional
        File of the fixed tensors that the call gives.
    warnings : list of str
        What would mislead a reader of the results, each ``code: sentence``.
    """

    family: str
    module: torch.nn.Module
    call: object
    convention: Convention
    read: dict = field(default_factory=dict)
    assumed: dict = field(default_factory=dict)
    shape: tuple | None = None
    n_classes: int = 0
    null_label: int | None = None
    null_trained: bool | None = None
    own_class: bool = False
    warnings: list = field(default_factory=list)
    convention_read: bool = False
    times: object = None
    condition: object = None


class ForeignField:
    """Velocity field v(x, t) of a `Foreign` network; `reachable` is the interval of t outside which it is NaN.

    Parameters
    ----------
    foreign : Foreign
        The network.
    label : int, optional
        Class that every sample is conditioned on.
    guidance : float
        Classifier-free guidance scale w: output(null) + w (output(label) - output(null)); 1 = none.
    """

    keeps_contract = True

    def __init__(self, foreign, *, label=None, guidance=1.0, batch_size=None):
        self.module = in_evaluation(foreign.module)
        self.foreign, self.convention = foreign, foreign.convention
        self.label, self.guidance, self.batch_size = label, guidance, batch_size
        labelled = label is not None and label != foreign.null_label and foreign.n_classes > 1
        self._label_unproven = labelled and foreign.own_class

    @property
    def reachable(self):
        """Interval (low, high) of t."""
        return self.convention.reachable

    @torch.no_grad()
    def __call__(self, x, t):
        """Return the velocity at x, shape (b, *shape), and t, shape (b,); NaN rows where t is unreachable.

        Raises
        ------
        FmdiagError
            If the shape does not fit, or the network returns another shape, NaN or infinity.
        """
        self._check_shape(x)
        t = times_like(t, x)
        low, high = self.reachable
        inside = ((t >= low - ROUNDING) & (t <= high + ROUNDING)).nonzero().flatten()
        velocity = torch.full_like(x, math.nan)
        size = self.batch_size or max(1, COORDINATES_PER_BATCH // max(1, x[:1].numel()))

        def evaluate(part):
            rows = inside[part]
            velocity[rows] = self._reached(x[rows], t[rows]).to(x)

        reached = in_pieces(evaluate, len(inside), size, "samples per pass of the network")
        self.batch_size = reached if reached < size else self.batch_size
        return velocity

    @torch.no_grad()
    def asked(self, x, t):
        """Return (output, x, t, position): what the network answers at every point, each in reach, in its own terms.

        `Convention.velocity` makes velocities of it, for every parameterisation of the same schedule and time.
        """
        self._check_shape(x)
        size = self.batch_size or max(1, COORDINATES_PER_BATCH // max(1, x[:1].numel()))
        parts = [self._asked(x[k : k + size], t[k : k + size]) for k in range(0, len(x), size)]
        position = self.convention.schedule.at(t)
        return torch.cat([output for output, _, _ in parts]), torch.cat([seen for _, seen, _ in parts]), t, position

    def _reached(self, x, t):
        output, seen, position = self._asked(x, t)
        return self.convention.velocity(output, seen, t, position)

    def _asked(self, x, t):
        """Return (output, the point in x's scale that the network saw, position)."""
        parameter = next(self.module.parameters(), x)
        position = self.convention.schedule.at(t)
        point = self.convention.native_point(x.double(), position).to(parameter.device, torch.float32)
        time = self.convention.model_time(position).to(parameter.device)
        output = self._answered(point, time).to(x.device)
        if output.shape != x.shape:
            raise FmdiagError(f"the network returned shape {tuple(output.shape)} for x of shape {tuple(x.shape)}: "
                              "its output is not that of this family and parameterisation")
        if not (NON_FINITE.get() or bool(torch.isfinite(output).all())):
            raise FmdiagError(f"the network returns NaN or infinity at t = {t[0].item():.4g}: check the checkpoint and "
                              "the data's range")
        # The velocity at the very point that the network saw: its rounding must not be divided by t or 1 - t.
        return output, point.double().to(x.device) / expand(position.alpha + position.sigma, x.double()), position

    def _answered(self, point, time):
        try:
            return self._guided(point, time)
        except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
            if isinstance(error, FmdiagError) or is_of_the_machine(error):
                raise
            # A program's error is a page long; its last line says what was wrong.
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].removeprefix("RuntimeError: ")
            given = in_words(getattr(self.foreign.call, "conditions", {}))
            also, conditions = (f", {given}", "conditions of the shapes that it takes, ") if given else ("", "")
            raise FmdiagError(f"the network fails on x of shape {tuple(point.shape[1:])}{also} ({reason}): give "
                              f"{conditions}the data that it was trained on, --size, --moments, or the order of its "
                              "arguments as call in --model card.toml") from error

    def _guided(self, point, time):
        labels = self._labels(self.label, point)
        output = self.foreign.call(self.module, point, time, labels)
        if self._label_unproven:
            self._check_label(output, point, time)
        if self.guidance == 1:
            return output
        call = getattr(self.foreign.call, "of_none", self.foreign.call)
        null = call(self.module, point, time, self._labels(self.foreign.null_label, point))
        return null + self.guidance * (output - null)

    def _check_label(self, output, point, time):
        """Refuse a network that answers another class with the same values, once: it is not conditioned on any."""
        other = (self.label + 1) % self.foreign.n_classes
        same = torch.equal(output, self.foreign.call(self.module, point, time, self._labels(other, point)))
        if same and bool(output.any()):  # a last layer of zeros, as before training, tells nothing
            raise FmdiagError(f"the network's output is the same for class {self.label} and class {other}: its label "
                              "is not used; leave out --class-label and n_classes, or name the argument that takes "
                              "it as call in --model card.toml, e.g. call = \"x, t, NAME=y\"")
        self._label_unproven = not bool(output.any())

    def _labels(self, label, point):
        return None if label is None else torch.full((len(point),), label, dtype=torch.long, device=point.device)

    def _check_shape(self, x):
        shape = self.foreign.shape
        fits = shape is None or (len(shape) == x.ndim - 1 and all(
            side is None or side == given for side, given in zip(shape, x.shape[1:], strict=True)))
        if not fits:
            wanted = " × ".join("any" if side is None else str(side) for side in shape)
            raise FmdiagError(f"the network takes samples of shape {wanted}, got {tuple(x.shape[1:])}: give its own "
                              "--dataset, or --size")


def in_evaluation(module):
    """Return the module with dropout off; an exported program is fixed in the mode that it was exported in."""
    try:
        return module.eval()
    except NotImplementedError:
        return module

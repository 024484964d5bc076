"""Sampler of one or a few steps: a consistency model, a flow map, a distilled or drifting generator.

A model card says ``kind = "sampler"``. What its network takes decides how it is asked:

    call = "x"         x = f(x0)                                              one step from the noise
    call = "x, t"      x1 = x_t + (1 - t) u(x_t, t), then x_t' = t' x1 + (1 - t') z       consistency, z fresh noise
    call = "x, t, r"   x_r = x_t + (r - t) u(x_t, t, r)                       flow map (MeanFlow): u is a mean velocity

with k even steps of t; u as the card's convention says, whatever the network returns. It has no velocity field that û*
could be compared with. Fresh noise is seeded by the sample's own initial noise, so that batches change nothing.

References
----------
Song et al., "Consistency Models", arXiv 2303.01469, algorithm 1. Geng et al., "Mean Flows", arXiv 2505.13447, eq. 12.
"""

import copy
import hashlib
import math

import torch

from fmdiag.checkpoints.foreign import ForeignField
from fmdiag.errors import FmdiagError
from fmdiag.fields.samplers import check_start

KINDS = ("x", "x, t", "x, t, r")


class SamplerField:
    """What stands where a checkpoint's velocity field would: `draw` makes samples of noise, a call is refused.

    Parameters
    ----------
    foreign : Foreign
        The network; its call takes a second time where it is a flow map.
    takes : str
        ``"x"``, ``"x, t"`` or ``"x, t, r"``: what the network is given.
    most_steps : int
        Steps beyond which `draw` does not go, whatever is asked for.
    label : int, optional
        Class that every sample is conditioned on.
    """

    keeps_contract = is_sampler = True
    reachable = (0.0, 1.0)

    def __init__(self, foreign, *, takes, most_steps=1, label=None):
        if takes == "x, t, r" and not (foreign.convention.schedule.describe().get("name") == "linear"
                                       and "velocity" in foreign.convention.parameterisation):
            raise FmdiagError("a sampler called with a second time r is a flow map: its output is a mean velocity on "
                              "the linear path; leave path and parameterisation out of the card")
        self.foreign, self.convention, self.takes, self.label = foreign, foreign.convention, takes, label
        self.most_steps = most_steps
        self.field = ForeignField(foreign, label=label)
        self.module, self.from_noise_only = self.field.module, takes == "x"

    def __call__(self, x, t):
        """Refuse to be asked for a velocity.

        Raises
        ------
        FmdiagError
            Always.
        """
        raise FmdiagError("the model card says that this is a sampler, which has no velocity field: measure its "
                          "samples (fmdiag memorization, metrics, quality, agreement, hybrid)")

    def limited(self, n_steps):
        """Return the sampler of at most so many steps."""
        chosen = copy.copy(self)
        chosen.most_steps = self.steps_of(n_steps)
        return chosen

    def steps_of(self, n_steps):
        """Return how many steps are taken where so many are asked for."""
        return min(n_steps, self.most_steps)

    def text(self, n_steps):
        """Return in words how samples are drawn."""
        n = self.steps_of(n_steps)
        return f"sampler, {n} step{'' if n == 1 else 's'}"

    @torch.no_grad()
    def draw(self, x0, n_steps, start=0.0):
        """Return samples, shape (b, *shape), of states x0 at time `start`, noise at 0, by at most `most_steps` steps.

        Raises
        ------
        FmdiagError
            If the network fails or returns another shape, or takes noise only and `start` is not 0.
        """
        check_start(self, start)
        n = self.steps_of(n_steps)
        if self.takes == "x":
            return self._asked(x0)
        low = max(start, self.convention.reachable[0] if self.takes == "x, t" else 0.0)
        times = [low + (1 - low) * k / n for k in range(n + 1)]
        x = x0 * (math.hypot(low, 1 - low) / math.hypot(start, 1 - start))
        for k, (t, later) in enumerate(zip(times, times[1:], strict=False)):
            if self.takes == "x, t, r":
                x = x + (later - t) * self._mean_velocity(x, t, later)
                continue
            x1 = x + (1 - t) * self.field(x, torch.full((len(x),), t, dtype=x.dtype, device=x.device))
            x = x1 if later == times[-1] else later * x1 + (1 - later) * _fresh(x0, k)
        return x

    def _mean_velocity(self, x, t, later):
        """Return the network's velocity from t to a later time, in our direction."""
        backward = self.convention.time_direction == "data-to-noise"
        sign = -1 if (self.convention.parameterisation == "-velocity") != backward else 1
        position = [self.convention.schedule.at(torch.full((len(x),), s, dtype=torch.float64, device=x.device))
                    for s in (t, later)]
        return sign * self._asked(x, *map(self.convention.model_time, position))

    def _asked(self, x, time=None, second=None):
        parameter = next(self.module.parameters(), x)
        given = [None if s is None else s.to(parameter.device) for s in (time, second)]
        labels = self.field._labels(self.label, x.to(parameter.device))
        try:
            output = self.foreign.call(self.module, x.to(parameter.device, torch.float32), given[0], labels,
                                       second=given[1])
        except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
            raise FmdiagError(f"the sampler's network fails on x of shape {tuple(x.shape[1:])} "
                              f"({' '.join(str(error).split())[:300]}): give the order of its arguments as call in "
                              "--model card.toml: \"x\", \"x, t\" or \"x, t, r\"") from error
        if not isinstance(output, torch.Tensor) or output.shape != x.shape:
            shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            raise FmdiagError(f"the sampler's network returned {shape} for x of shape {tuple(x.shape)}: give output in "
                              "--model card.toml, or its own --dataset")
        return output.to(x)


def takes_of(order):
    """Return which of KINDS a written call is; None for another, as of a network that takes no x."""
    values = [part.rpartition("=")[2] for part in order.replace(" ", "").split(",")]
    return next((kind for kind in KINDS if sorted(kind.split(", ")) == sorted(v for v in values if v != "y")), None)


def _fresh(x0, step):
    """Return normal noise like x0, that of each sample seeded by its own initial noise and the step."""
    fresh = torch.empty(x0.shape, dtype=torch.float32)
    for k, own in enumerate(x0.detach().cpu().float()):
        digest = hashlib.sha256(own.contiguous().numpy().tobytes() + step.to_bytes(4, "little")).digest()
        fresh[k].normal_(generator=torch.Generator().manual_seed(int.from_bytes(digest[:7], "little")))
    return fresh.to(x0)

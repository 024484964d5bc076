"""Samplers x = sample(x0) of one or a few steps: what stands where a velocity field would, and has none.

A sampler has ``is_sampler = True`` and ``draw(x, n_steps, start)``, which makes samples of states at time `start`, of
noise where that is 0; with ``from_noise_only = True`` of nothing else.
"""

import copy

import torch

from fmdiag.devices import is_of_the_machine
from fmdiag.errors import FmdiagError
from fmdiag.fields.answers import as_velocity
from fmdiag.fields.contract import NON_FINITE, evaluation_mode, name_of
from fmdiag.fields.held_modules import held_modules
from fmdiag.memory import in_pieces

STEPS_BESIDE = 100   # of û*, or of a field that a sampler is compared with
COORDINATES_AT_ONCE = 1 << 20


def is_sampler(field):
    """Return whether a field is a sampler, which has no velocity."""
    return getattr(field, "is_sampler", False)


def beside(n_steps, *fields):
    """Return (fields, n_steps of û* and of other fields beside them): a sampler takes `n_steps` itself at the most.

    What a sampler of a few steps is compared with is integrated in as many steps as usual.
    """
    if not any(map(is_sampler, fields)):
        return fields, n_steps
    limited = tuple(field.limited(n_steps) if is_sampler(field) else field for field in fields)
    return limited, max(n_steps, STEPS_BESIDE)


def recorded_beside(n_steps, beside_it):
    """Return what a Result records of the steps of û* and other fields, where they are not those asked for."""
    return {} if n_steps == beside_it else {"n_steps_of_fields": beside_it}


def check_start(sampler, start):
    """Raise FmdiagError where a sampler of noise only is given states of a later time."""
    if start > 0 and getattr(sampler, "from_noise_only", False):
        raise FmdiagError(f"the model is a sampler that is given noise only, and was to start at t = {start:g}: "
                          "measure it from t = 0 on (of hybrid, taus 0 and 1)")


class GivenSampler:
    """A user's callable ``sample(x0, labels=None) -> x``, asked in evaluation mode, without gradients, in batches.

    Parameters
    ----------
    sampler : callable
        Given x0, shape (b, *shape), a tensor of its own; returns samples of that shape, a sample per noise.
    label : int, optional
        Class, given to it as ``labels``, shape (b,), int64.

    Raises
    ------
    FmdiagError
        If it is no callable.
    """

    keeps_contract = is_sampler = from_noise_only = True
    reachable = (0.0, 1.0)

    def __init__(self, sampler, label=None):
        if not callable(sampler):
            raise FmdiagError(f"sampler: a {type(sampler).__name__} is no callable sample(x0) -> x")
        self.module, self.label, self.modules = sampler, label, held_modules(sampler)

    def __call__(self, x, t):
        """Refuse to be asked for a velocity.

        Raises
        ------
        FmdiagError
            Always.
        """
        raise FmdiagError(f"{name_of(self.module)} is a sampler, which has no velocity field: measure its samples")

    def limited(self, n_steps):
        """Return the sampler: how many steps it takes is its own affair."""
        return self

    def of_class(self, label):
        """Return the sampler, asked for a class."""
        chosen = copy.copy(self)
        chosen.label = label
        return chosen

    def text(self, n_steps):
        """Return in words how samples are drawn."""
        return f"sampler {name_of(self.module)}"

    def draw(self, x0, n_steps=1, start=0.0):
        """Return samples, shape (b, *shape), of noise x0 of that shape; what they are does not depend on batches.

        Raises
        ------
        FmdiagError
            If the callable fails, or returns no tensor of the shape of x0.
        """
        check_start(self, start)
        found = torch.empty_like(x0)

        def piece(rows):
            found[rows] = self._asked(x0[rows])

        with torch.no_grad(), evaluation_mode(self.modules):
            in_pieces(piece, len(x0), max(1, COORDINATES_AT_ONCE // max(1, x0[:1].numel())), "samples at a time")
        return found

    def _asked(self, x0):
        given = {} if self.label is None else {
            "labels": torch.full((len(x0),), self.label, dtype=torch.long, device=x0.device)}
        token = NON_FINITE.set(True)
        try:
            answer = self.module(x0.clone(), **given)
        except Exception as error:
            if isinstance(error, FmdiagError) or is_of_the_machine(error):
                raise
            reason = (str(error).strip().splitlines() or [""])[-1][:300]
            raise FmdiagError(f"the sampler {name_of(self.module)} raised {type(error).__name__}: {reason}; it was "
                              f"called as sample(x0{', labels' * bool(given)}) with x0 of shape {tuple(x0.shape)}, "
                              f"{str(x0.dtype)[6:]} on {x0.device}") from error
        finally:
            NON_FINITE.reset(token)
        return as_velocity(answer, x0, name_of(self.module), "sampler")

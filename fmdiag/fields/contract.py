"""One contract for velocity fields: whatever a user hands over as v(x, t) is asked here, and answers as our own do.

A field is given its own copy of x and t, and its answer is copied: it may change its arguments in place and may use
one output buffer for all calls. It is asked without gradients, with the torch modules that it holds in evaluation
mode; they are put back after each call. What it returns becomes a tensor in the dtype and on the device of x; what has
no such reading is refused in one line. Values that are not finite are returned as they are: the caller decides.
"""

import inspect
import warnings
from contextlib import contextmanager
from contextvars import ContextVar

import torch

from fmdiag.devices import is_of_the_machine
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields.answers import as_velocity
from fmdiag.fields.held_modules import held_modules

NON_FINITE = ContextVar("fmdiag_non_finite_allowed", default=False)
TIMES = ("t", "time", "times", "timestep", "timesteps")
TRAINING = ("the field's network is in training mode: it is asked in evaluation mode (dropout off, batch norm fixed) "
            "and put back")


@contextmanager
def non_finite_allowed():
    """Let our own fields return values that are not finite, instead of raising an error about them."""
    token = NON_FINITE.set(True)
    try:
        yield
    finally:
        NON_FINITE.reset(token)


def as_field(field):
    """Return a field that keeps the contract: our own ones as they are, everything else in an `AskedField`.

    Parameters
    ----------
    field : callable
        v(x, t) -> velocity, x of shape (b, *shape), t of shape (b,) in [0, 1].

    Raises
    ------
    FmdiagError
        If it is no callable of (x, t).
    """
    return field if getattr(type(field), "keeps_contract", False) else AskedField(field)


class AskedField:
    """A velocity field under the contract; its other attributes are those of the field.

    Parameters
    ----------
    field : callable
        v(x, t).
    quiet : bool
        Whether nothing is said of a network in training mode.

    Raises
    ------
    FmdiagError
        If `field` is no callable of (x, t).
    """

    keeps_contract = True

    def __init__(self, field, *, quiet=False):
        check_callable(field)
        self.field, self.quiet, self.modules = field, quiet, held_modules(field)
        self.parameter = next((p for m in self.modules for p in m.parameters(recurse=False) if p.is_floating_point()),
                              None)
        # A network is asked in its own dtype on its own device at once; what is around one may convert by itself.
        self.as_native = isinstance(field, torch.nn.Module)

    def __getattr__(self, name):
        if name == "field":   # not set yet, while it is unpickled or copied
            raise AttributeError(name)
        return getattr(self.field, name)

    def __call__(self, x, t):
        """Return the velocity at x, shape (b, *shape), and t, a float or shape (b,): a tensor of its own like x.

        Raises
        ------
        FmdiagError
            If the field fails, or its answer cannot be read as one velocity per sample.
        """
        x = x.detach()
        t = torch.as_tensor(t, device=x.device).detach().reshape(-1)
        t = (t[:1] if _is_one_time(t) else t).to(x.dtype).expand(len(x))
        with torch.no_grad(), evaluation_mode(self.modules) as changed:
            if changed and not self.quiet:
                self.quiet = True
                _say_training(changed)
            return as_velocity(self._asked(x, t), x, name_of(self.field))

    def _asked(self, x, t):
        token = NON_FINITE.set(True)
        try:
            if self.as_native:
                return self._called(x, t, **self.native)
            try:
                return self._called(x, t)
            except RuntimeError as error:
                if isinstance(error, FmdiagError) or is_of_the_machine(error) or not self._differs(x):
                    raise
            answer = self._called(x, t, **self.native)
            self.as_native = True
            return answer
        except Exception as error:
            if isinstance(error, FmdiagError) or is_of_the_machine(error):
                raise
            raise FmdiagError(failure(self.field, error, x, t)) from error
        finally:
            NON_FINITE.reset(token)

    def _called(self, x, t, **native):
        if len(t) > 1 and t.stride(0) == 0 and getattr(self.field, "broadcasts_time", False):
            t = t[:1]
        return self.field(torch.empty_like(x, memory_format=torch.contiguous_format, **native).copy_(x),
                          torch.empty_like(t, memory_format=torch.contiguous_format, **native).copy_(t))

    @property
    def native(self):
        """Where the network's first parameter lies, as arguments: device and dtype; nothing without one."""
        return {} if self.parameter is None else {"device": self.parameter.device, "dtype": self.parameter.dtype}

    def _differs(self, x):
        return self.parameter is not None and (self.parameter.device, self.parameter.dtype) != (x.device, x.dtype)


def _is_one_time(t):
    """Return whether times, shape (b,), are one, as far as that is known without waiting for a device."""
    return len(t) > 0 and (t.stride(0) == 0 or t.device.type == "cpu" and bool((t == t[0]).all()))


@contextmanager
def evaluation_mode(modules):
    """Put modules in evaluation mode, yield those that were not, and put them back.

    Only their flags are set: ``eval()`` may be overridden to do more, such as merging weights.
    """
    changed = [module for module in modules if getattr(module, "training", False)]
    try:
        for module in changed:
            module.training = False
        yield changed
    finally:
        for module in changed:
            module.training = True


def _say_training(changed):
    """Warn where the mode may matter: a module's forward method reads it, or is not there to be looked at."""
    codes = [getattr(getattr(type(module), "forward", None), "__code__", None) for module in changed]
    if any(code is None or "training" in code.co_names for code in codes):
        warnings.warn(TRAINING, FmdiagWarning, stacklevel=4)


def check_callable(field):
    """Raise FmdiagError unless a field can be called as v(x, t)."""
    if not callable(field):
        hint = ("give its .field" if callable(getattr(field, "field", None)) else
                "give a callable v(x, t): a torch module, a function, or fmdiag.load_checkpoint(FILE).field")
        raise FmdiagError(f"field: a {type(field).__name__} is no velocity field: {hint}")
    called = field.forward if isinstance(field, torch.nn.Module) else field
    try:
        names = list(inspect.signature(called).parameters)
    except (TypeError, ValueError):   # built-in and compiled callables have none
        return
    if len(names) > 1 and names[0] in TIMES and names[1] not in TIMES:
        raise FmdiagError(f"the field {name_of(field)} takes ({names[0]}, {names[1]}), fields are called as v(x, t): "
                          "give lambda x, t: field(t, x)")


def name_of(field):
    """Return what a field is called in messages."""
    return getattr(field, "__qualname__", None) or type(field).__name__


def failure(field, error, x, t):
    """Return the message about an exception that a field raised."""
    reason = (str(error).strip().splitlines() or [""])[-1][:300]
    shape = "t.reshape(" + ", ".join(["-1", *["1"] * (x.ndim - 1)]) + ")"
    hint = ("fields are asked without gradients, so compute yours under torch.enable_grad()"
            if "does not require grad" in reason else
            f"t holds a time per sample: {shape} broadcasts; for a field of one number give lambda x, t: "
            "field(x, t[0])")
    return (f"the field {name_of(field)} raised {type(error).__name__}: {reason}; it was called as v(x, t) with x of "
            f"shape {tuple(x.shape)}, {str(x.dtype)[6:]} on {x.device}, and t of shape {tuple(t.shape)}, "
            f"t = {float(t[0]) if len(t) else float('nan'):.4g}: {hint}")

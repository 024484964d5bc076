"""Derivatives of a velocity field: its network as a module that can be differentiated, and Jacobian-vector products.

Fields are asked without gradients; here the network within is called instead. Products of dv/dx with vectors come from
forward-mode differentiation (one pass), where a kernel has no such rule from two backward passes,

    J u = d/dw <J^T w, u>,

and of what cannot be differentiated, such as a compiled program, from central differences of the field.
"""

import warnings

import torch
from torch.func import jvp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from fmdiag.devices import is_of_the_machine
from fmdiag.errors import FmdiagError
from fmdiag.fields.answers import read_velocity
from fmdiag.fields.contract import AskedField, as_field, evaluation_mode

METHODS = ("forward", "backward", "differences")
ALIKE = 1e-3    # relative difference up to which the network's answer is that of the field


class DifferentiableVelocity(torch.nn.Module):
    """A field as a module whose output is differentiable: fields themselves are asked without gradients."""

    def __init__(self, field):
        super().__init__()
        module = field if isinstance(field, torch.nn.Module) else getattr(field, "module", None)
        if not isinstance(module, torch.nn.Module) or not any(True for _ in module.parameters()):
            raise FmdiagError("derivatives need a network with parameters, this field has none: give a checkpoint "
                              "of a network, not a program or closed form")
        self.module = module
        object.__setattr__(self, "field", field)
        # A native network is called as module(x, t); a foreign one through its convention.
        self.plain = isinstance(field, torch.nn.Module) or not hasattr(field, "foreign")

    def forward(self, x, t):
        """Return the velocity at x, shape (b, *shape), and t, shape (b,), like x."""
        if self.plain:
            parameter = next(self.module.parameters())
            # Copies, as a network may change what it is given.
            point, time = (value.to(parameter.device, parameter.dtype, copy=True) for value in (x, t))
            return read_velocity(self.module(point, time), x).to(x)
        return type(self.field).__call__.__wrapped__(self.field, x, t)


class JacobianProducts:
    """Products of a field's Jacobian dv/dx with vectors; call it.

    Parameters
    ----------
    field : callable
        v(x, t).
    method : str, optional
        Of METHODS, tried from here on; default: the first that works.

    Attributes
    ----------
    method : str
        That the last products were made by: ``"forward"``, ``"backward"`` (two passes) or ``"differences"``.
    """

    def __init__(self, field, *, method="forward"):
        inner = field.field if isinstance(field, AskedField) else field
        self.field, self.method, self.call = as_field(field), method, None
        try:
            self.call = DifferentiableVelocity(inner)
        except FmdiagError:
            self.method = "differences"
        self.proven, self.shares = False, True   # whether vectors of one point share its forward pass

    def __call__(self, x, t, u):
        """Return dv/dx(x, t) u, float64 on the CPU, of the shape of u.

        Parameters
        ----------
        x : Tensor, shape (b, *shape)
            Points, in the dtype that the field is asked in.
        t : float
        u : Tensor, shape (b * k, *shape)
            k vectors for each point, those of one point after the other.
        """
        self._prove(x[:2], self._times(x[:2], t))
        if self.shares and len(u) > len(x) and self.method == "forward":
            found = self._tried("_shared", x, self._times(x, t), u)
            if found is not None:
                return found
            self.shares = False
        x = x.repeat_interleave(len(u) // len(x), 0)
        times = self._times(x, t)
        for method in METHODS[METHODS.index(self.method):-1]:
            self.method = method
            found = self._tried(f"_{method}", x, times, u)
            if found is not None:
                return found
        self.method = "differences"
        return self._differences(x, times, u.to(x)).cpu()

    def _times(self, x, t):
        n = 1 if getattr(getattr(self.call, "module", None), "broadcasts_time", False) else len(x)
        return torch.full((n,), float(t), dtype=x.dtype, device=x.device)

    def _tried(self, way, x, times, u):
        """Return the products made in a way; None where it fails or gives numbers that are not finite."""
        try:
            found = getattr(self, way)(x, times, u.to(x)).detach().cpu().double()
        except (RuntimeError, NotImplementedError) as error:
            if is_of_the_machine(error):
                raise
            return None
        return found if bool(torch.isfinite(found).all()) else None

    def _prove(self, x, times):
        """Differentiate the network only if it answers what the field answers: what holds a network may add to it."""
        if self.method == "differences" or self.proven:
            return
        self.proven = True
        try:
            with torch.no_grad(), evaluation_mode(list(self.call.modules())):
                own, asked = self.call(x, times), self.field(x, times)
        except (RuntimeError, TypeError):
            self.method = "differences"
            return
        if not (own - asked).norm() <= ALIKE * asked.norm():
            self.method = "differences"

    def _forward(self, x, times, u):
        # The first forward-mode derivative makes torch load rules by a function that it calls deprecated.
        # Only the plain kernel of attention has a forward-mode rule.
        with torch.no_grad(), warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH), \
                evaluation_mode(list(self.call.modules())):
            warnings.simplefilter("ignore", DeprecationWarning)
            return jvp(lambda point: self.call(point, times), (x,), (u,))[1]

    def _shared(self, x, times, u):
        """Return the products with several vectors per point from one pass through the points."""
        vectors = u.reshape(len(x), -1, *x.shape[1:]).transpose(0, 1)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)   # it goes through them then
            return vmap(lambda one: self._forward(x, times, one), out_dims=1)(vectors).reshape(u.shape)

    def _backward(self, x, times, u):
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), evaluation_mode(list(self.call.modules())):
            point = x.detach().requires_grad_()
            velocity = self.call(point, times)
            w = torch.zeros_like(velocity, requires_grad=True)
            pulled, = torch.autograd.grad(velocity, point, w, create_graph=True)
            return torch.autograd.grad(pulled, w, u)[0]

    def _differences(self, x, times, u):
        """Return central differences; the step balances rounding of order eps / h with an error of order h²."""
        norms = [part.flatten(1).norm(dim=1).clamp(min=1e-30).reshape(-1, *[1] * (x.ndim - 1)) for part in (x, u)]
        step = torch.finfo(x.dtype).eps ** (1 / 3) * norms[0].clamp(min=1.0) / norms[1]
        low, high = x - step * u, x + step * u
        return (self.field(high, times).double() - self.field(low, times).double()) / (2 * step.double())

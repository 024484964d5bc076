"""Per-sample gradients: the size of each sample's, and its part along the mean gradient.

For g_i = grad_theta ||target_i - v(x_i, t_i)||^2 only ||g_i||^2 and <g_i, gbar> are kept, gbar = mean g_i: the trace of
the covariance, the squared mean and every leave-one-out value follow from them. Gradients are summed as they come
(torch.func.vmap over a few samples, else one backward pass each); <g_i, gbar> is the directional derivative of the
losses along gbar, one forward-mode pass. Resident: a few copies of the parameters, whatever the number of samples.
"""

import fnmatch
import warnings
from contextlib import contextmanager

import torch
from torch.func import functional_call, grad_and_value, jvp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from fmdiag.errors import FmdiagError
from fmdiag.fields import DifferentiableVelocity, evaluation_mode

# Gradients and activations of about this many bytes are held at once; larger networks are differentiated one by one.
BUDGET = 1 << 28
# Values that a network keeps per coordinate of a sample, generously.
ACTIVATIONS = 2048


class NoGradient(FmdiagError):
    """The output of a network does not depend on its parameters, or not so that it could be differentiated."""


class PerSampleGradients:
    """Per-sample gradients of a field with respect to its network's parameters.

    Parameters
    ----------
    field : callable with ``module``, or torch.nn.Module
        Velocity field v(x, t) of a network, e.g. `NetworkField` or a checkpoint's field.
    layers : sequence of str, optional
        Shell patterns of parameter names, e.g. ``"blocks.0.*"``; default: all parameters.
    sign : float
        -1 asks about the negative of the field, the velocity from data to noise.
    budget : int
        Bytes of gradients held at once.
    method : str
        ``"auto"``, ``"vmap"`` or ``"loop"``.

    Raises
    ------
    FmdiagError
        If the field has no parameters to differentiate, or a pattern matches none.
    """

    def __init__(self, field, layers=None, *, sign=1.0, budget=BUDGET, method="auto"):
        self.call = DifferentiableVelocity(field)
        self.names = chosen_parameters(self.call, layers)
        self.n_parameters = sum(p.numel() for name, p in self.call.named_parameters() if name in self.names)
        self.sign = sign
        self.budget, self.method, self.forward = budget, method, method != "loop"

    def __call__(self, xt, t, target):
        """Return (losses, squared norms, inner products with the mean gradient), float64, shape (n,) each.

        Parameters
        ----------
        xt, target : Tensor, shape (n, *shape)
            Points and what the field should return there.
        t : Tensor, shape (n,)
            Times.
        """
        self._plan(xt[0].numel())
        with self._differentiable():
            total, losses, norms = None, [], []
            for gradients, loss in self._gradients(xt, t, target):
                losses.append(loss.double().cpu())
                norms.append(sum(_squared_norms(g) for g in gradients).cpu())
                sums = [g.sum(0) for g in gradients]
                if total is None:
                    total = sums
                else:
                    torch._foreach_add_(total, sums)
                del gradients, sums
            mean = torch._foreach_div(total, len(xt))
            del total
            inner = self._along(mean, xt, t, target)
        losses, norms = torch.cat(losses), torch.cat(norms)
        if not bool(norms.isfinite().all()):
            raise FmdiagError(f"gradients of {int((~norms.isfinite()).sum())} of {len(norms)} samples are not finite "
                              f"at t = {float(t[0]):.4g}: check the checkpoint and the data's range")
        return losses, norms, inner

    def _plan(self, dim):
        """Choose how many samples are differentiated at once, with gradients each and without."""
        self.at_once = max(1, self.budget // (4 * (self.n_parameters + ACTIVATIONS * dim)))
        self.forward_at_once = max(1, self.budget // (4 * ACTIVATIONS * dim))
        fits = self.method == "auto" and self.at_once >= 2 and self.call.plain
        self.vmapped = self.method == "vmap" or fits

    def _parameters(self):
        return {name: p for name, p in self.call.named_parameters() if name in self.names}

    @contextmanager
    def _differentiable(self):
        """Let exactly the chosen parameters take gradients, and put everything back."""
        before = {p: p.requires_grad for p in self.call.parameters()}
        try:
            for name, p in self.call.named_parameters():
                p.requires_grad_(name in self.names)
            with torch.enable_grad(), evaluation_mode(list(self.call.modules())):
                yield
        finally:
            for p, flag in before.items():
                p.requires_grad_(flag)

    def _losses(self, parameters, x, t, target):
        velocity = functional_call(self.call, parameters, (x, t)) if parameters is not None else self.call(x, t)
        return (self.sign * velocity - target).flatten(1).square().sum(1)

    def _gradients(self, xt, t, target):
        """Yield (per-sample gradients as a list of tensors (b, ...), losses (b,))."""
        start = 0
        while start < len(xt):
            part = slice(start, start + (self.at_once if self.vmapped else 1))
            found = self._by_vmap(xt[part], t[part], target[part]) if self.vmapped else None
            if found is None:
                part = slice(start, start + 1)
                found = self._by_backward(xt[part], t[part], target[part])
            yield found
            start = part.stop

    def _by_vmap(self, x, t, target):
        def loss(parameters, one, time, wanted):
            return self._losses(parameters, one[None], time[None], wanted[None])[0]

        try:
            parameters = {name: p.detach() for name, p in self._parameters().items()}
            # Attention has no batched rule on a CPU: vmap then goes through the samples, and says that it does.
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
                gradients, losses = vmap(grad_and_value(loss), in_dims=(None, 0, 0, 0))(parameters, x, t, target)
        except (RuntimeError, NotImplementedError):
            # In-place writes, data-dependent branches and some kernels have no batched rule.
            self.vmapped = False
            return None
        return [gradients[name].detach() for name in parameters], losses.detach()

    def _by_backward(self, x, t, target):
        parameters = list(self._parameters().values())
        loss = self._losses(None, x, t, target)
        if not loss.requires_grad:
            raise NoGradient("no gradient reaches the network's parameters: its output does not depend on them, or is "
                             "computed without gradients")
        gradients = torch.autograd.grad(loss.sum(), parameters, allow_unused=True)
        filled = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)]
        return [g.detach()[None] for g in filled], loss.detach()

    def _along(self, mean, xt, t, target):
        """Return <g_i, mean> for every sample."""
        inner = []
        for start in range(0, len(xt), self.forward_at_once):
            part = slice(start, start + self.forward_at_once)
            found = self._forward(mean, xt[part], t[part], target[part]) if self.forward else None
            inner.append(self._backward(mean, xt[part], t[part], target[part]) if found is None else found)
        return torch.cat(inner)

    def _forward(self, mean, x, t, target):
        parameters = {name: p.detach() for name, p in self._parameters().items()}
        tangents = dict(zip(parameters, mean, strict=True))
        try:
            # The first forward-mode derivative makes torch load rules by a function that it calls deprecated.
            # Only the plain kernel of attention has a forward-mode rule.
            with torch.no_grad(), warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
                warnings.simplefilter("ignore", DeprecationWarning)
                _, found = jvp(lambda chosen: self._losses(chosen, x, t, target), (parameters,), (tangents,))
        except (RuntimeError, NotImplementedError):
            # Kernels without a forward-mode rule: the gradients are made once more.
            self.forward = False
            return None
        return found.double().cpu()

    def _backward(self, mean, xt, t, target):
        return torch.cat([_products(gradients, mean).cpu() for gradients, _ in self._gradients(xt, t, target)])


def _squared_norms(g):
    """Return the squared norms of a batch, summed in float64 without a copy in it; (b, ...) to (b,)."""
    return torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1, dtype=torch.float64).square()


def _products(gradients, mean):
    """Return <g_i, mean>, float64, shape (b,)."""
    return sum(g.reshape(len(g), -1).double() @ m.flatten().double() for g, m in zip(gradients, mean, strict=True))


def chosen_parameters(call, layers):
    """Return the names of the parameters that match any of the patterns; all of them without patterns."""
    names = [name for name, _ in call.named_parameters()]
    if not layers:
        return set(names)
    found = set()
    for pattern in layers:
        matching = {name for name in names if fnmatch.fnmatchcase(name.removeprefix("module."), pattern)}
        if not matching:
            some = ", ".join(name.removeprefix("module.") for name in names[:: max(1, len(names) // 4)][:4])
            raise FmdiagError(f"no parameter matches --layers {pattern}: names are like {some}")
        found |= matching
    return found

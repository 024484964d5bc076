"""Networks as a training loop holds them, read as fields: wrapped, compiled, with averaged weights beside them."""

import copy
from collections.abc import Mapping

import torch

from fmdiag.errors import FmdiagError
from fmdiag.fields import NetworkField, as_field

WRAPPERS = (torch.nn.parallel.DistributedDataParallel, torch.nn.DataParallel, torch.optim.swa_utils.AveragedModel)


class Averaged:
    """A network asked with other weights than its own, which stay as they are.

    Parameters
    ----------
    network : torch.nn.Module
        Called as ``network(x, t)``.
    weights : dict of str to Tensor
        By the names of its parameters and buffers; those that are missing are its own.
    """

    def __init__(self, network, weights):
        self.network, self.weights = network, weights

    def __call__(self, x, t):
        """Return the network's answer with the weights."""
        return torch.func.functional_call(self.network, self.weights, (x, t))


def unwrapped(network):
    """Return the module within DistributedDataParallel, DataParallel, AveragedModel and torch.compile.

    One rank alone cannot ask a wrapper that speaks to the others, and a compiled one compiles anew for each batch size.
    """
    if isinstance(network, WRAPPERS):
        return unwrapped(network.module)
    compiled = isinstance(network, torch.nn.Module) and hasattr(network, "_orig_mod")
    return unwrapped(network._orig_mod) if compiled else network


def asked_field(network, ema=None, shape=None):
    """Return the field to look at: that of the averaged weights where there are any.

    Parameters
    ----------
    network : torch.nn.Module or callable
        Called as v(x, t), t = 0 noise, t = 1 data.
    ema : torch.nn.Module, callable, dict, or object with ``shadow_params`` or ``copy_to``, optional
        The averaged network itself; its weights by name; an average whose ``shadow_params`` are in the order of
        ``network.parameters()``, as those of diffusers and torch_ema; or one that puts its weights into a network by
        ``copy_to(network)``, as LitEma does: a copy of the network gets them.
    shape : tuple of int, optional
        Of one sample.

    Raises
    ------
    FmdiagError
        If `ema` is none of these, or its names are not the network's.
    """
    network, ema = unwrapped(network), unwrapped(ema)
    if ema is None:
        return NetworkField(network, shape) if isinstance(network, torch.nn.Module) else as_field(network)
    if hasattr(ema, "shadow_params"):
        ema = dict(zip((name for name, _ in network.named_parameters()), ema.shadow_params, strict=True))
    elif hasattr(ema, "copy_to"):
        averaged = copy.deepcopy(network)
        ema.copy_to(averaged)
        return asked_field(averaged, shape=shape)
    if not isinstance(ema, Mapping):
        return asked_field(ema, shape=shape)
    if not isinstance(network, torch.nn.Module):
        raise FmdiagError("averaged weights by name need their network, a torch module; got a "
                          f"{type(network).__name__}: give ema=, a callable v(x, t) of the averaged network")
    own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    unknown = [name for name in ema if name not in own]
    if unknown:
        raise FmdiagError(f"the averaged weights have {unknown[0]!r}, which is no weight of the network: give those by "
                          "the names of network.state_dict()")
    device = next(iter(own.values())).device
    return as_field(Averaged(network, {name: value.detach().to(device) for name, value in ema.items()}))

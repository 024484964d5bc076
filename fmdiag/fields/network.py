"""Network field: a trained network as a velocity field v(x, t).

`build_network` makes a network from a plain description (what a checkpoint stores); `NetworkField` wraps any torch
module called as ``module(x, t)``, whatever it is inside, as a field: under the contract for fields, in batches.
"""

import inspect
import numbers

import torch

from fmdiag.errors import FmdiagError, check_choice
from fmdiag.fields.contract import NON_FINITE, AskedField
from fmdiag.fields.mlp import ResidualMLP
from fmdiag.fields.unet import ImageUNet
from fmdiag.memory import in_pieces
from fmdiag.paths import times_like

NETWORKS = {"mlp": ResidualMLP, "unet2d": ImageUNet}

# Activations of a forward pass grow with the batch: about this many input coordinates are passed at once.
COORDINATES_PER_BATCH = 1 << 20


def build_network(spec):
    """Return the untrained network that `spec` describes, a module called as ``module(x, t)``.

    Parameters
    ----------
    spec : dict
        ``{"name": "mlp", "shape": [2], "width": 512, "depth": 4}`` or ``{"name": "unet2d", "shape": [3, 32, 32],
        "channels": [128, 256, 256, 256], "layers": 2, "attention": [16], "dropout": 0.0}``; all but name and shape have
        the defaults of `ResidualMLP` and `ImageUNet`. Initial weights come from torch's global generator.

    Raises
    ------
    FmdiagError
        If the name or an argument is unknown, an argument is missing, or a value is of the wrong kind.
    """
    arguments = dict(spec)
    name = check_choice("network", arguments.pop("name", None), NETWORKS)
    accepted = list(inspect.signature(NETWORKS[name]).parameters)
    for argument, value in arguments.items():
        check_choice(f"argument of network {name!r}", argument, accepted)
        _check_value(name, argument, value)
    if not arguments.get("shape"):
        raise FmdiagError(f"network {name!r} needs the shape of one sample, e.g. shape=[3, 32, 32]")
    return NETWORKS[name](**arguments)


def _check_value(name, argument, value):
    values = value if isinstance(value, (list, tuple)) else [value]
    whole = all(isinstance(v, int) and not isinstance(v, bool) for v in values)
    fraction = argument == "dropout" and isinstance(value, float)
    if argument in ("shape", "channels", "attention"):
        whole = whole and isinstance(value, (list, tuple)) and all(v >= 1 for v in values)
    elif isinstance(value, (list, tuple)):
        whole = False
    switch = argument in ("skip", "middle") and isinstance(value, bool)
    if not (whole or fraction or switch):
        raise FmdiagError(f"network {name!r}: {argument} must be whole numbers (dropout: a fraction; skip, middle: "
                          f"true or false), got {value!r}")


class NetworkField:
    """Velocity field of a network.

    Parameters
    ----------
    module : torch.nn.Module
        Called as ``module(x, t)`` with x, shape (b, *shape), and t, shape (b,), in [0, 1]; t = 0 is noise. Both have
        the device and dtype of its parameters (of `x` where it has none). It is asked in evaluation mode, and put back.
    shape : sequence of int, optional
        Shape of one sample; with it, other shapes are refused with a message.
    batch_size : int, optional
        Samples per forward pass; the default keeps one pass at about a million coordinates. The result does not depend
        on it beyond rounding.
    """

    keeps_contract = True

    def __init__(self, module, shape=None, *, batch_size=None):
        self.module, self.asked = module, AskedField(module, quiet=True)
        self.shape = None if shape is None else tuple(shape)
        if batch_size is not None and (not isinstance(batch_size, numbers.Integral) or batch_size < 1):
            raise FmdiagError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")
        self.batch_size = batch_size

    def __call__(self, x, t):
        """Return the velocity at (x, t).

        Parameters
        ----------
        x : Tensor, shape (b, *shape)
            Points in model range.
        t : float or Tensor, shape (b,)
            Times in [0, 1].

        Returns
        -------
        Tensor, shape (b, *shape)
            In the dtype and on the device of `x`.

        Raises
        ------
        FmdiagError
            If the shape does not fit, a time is outside [0, 1], the network fails, or it returns NaN or infinity (which
            solvers allow: they leave such samples out).
        """
        if self.shape is not None and tuple(x.shape[1:]) != self.shape:
            raise FmdiagError(f"the network takes samples of shape {self.shape}, got {tuple(x.shape[1:])}")
        t = times_like(t, x)
        size = self.batch_size or max(1, COORDINATES_PER_BATCH // max(1, x[:1].numel()))
        velocity = torch.empty_like(x, requires_grad=False)

        def evaluate(rows):
            velocity[rows] = self.asked(x[rows], t[rows])

        reached = in_pieces(evaluate, x.shape[0], size, "samples per pass of the network")
        self.batch_size = reached if reached < size else self.batch_size
        if not NON_FINITE.get():
            _check_finite(velocity, x, t)
        return velocity


def _check_finite(velocity, x, t):
    bad = ~torch.isfinite(velocity).flatten(1).all(1)
    if bad.any():
        where = "its input is not finite either" if not torch.isfinite(x[bad]).all() else "its input is finite"
        raise FmdiagError(f"the network returns NaN or infinity for {int(bad.sum())} of {len(bad)} samples at "
                          f"t = {t[bad][0].item():.4g} ({where}): check the checkpoint and the data's range")

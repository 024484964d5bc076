"""Default network for data of a given shape.

Images of at least 8 pixels a side get a U-Net, everything else a residual MLP. From 17 pixels on the U-Net is that of
Bertrand et al., arXiv 2506.03719 (128 channels times 1, 2, 2, 2, two residual blocks a level, attention at 16 pixels);
smaller images get fewer levels and channels.
"""

import math

import torch

from fmdiag.errors import FmdiagError, check_choice
from fmdiag.fields import build_network

KINDS = ("auto", "mlp", "unet2d")
SMALLEST_IMAGE = 8
ATTENTION_SIDES = [16]


def choose_network(shape, kind="auto", *, width=None, depth=None, dropout=0.0, channels=None, attention=True):
    """Return the network description for samples of `shape`.

    Parameters
    ----------
    shape : sequence of int
        Shape of one sample.
    kind : str
        ``"auto"``, ``"mlp"`` or ``"unet2d"``.
    width : int, optional
        Hidden units of the MLP (512), or channels of the U-Net's first level (by image size: 32, 64, 128).
    depth : int, optional
        Residual blocks of the MLP (4), or residual blocks per level of the U-Net (2).
    dropout : float
        Dropout of the U-Net.
    channels : sequence of int, optional
        Channels of each level of the U-Net, in place of `width`; each level but the first halves both sides.
    attention : bool
        Whether the U-Net attends at 16 pixels and in its middle; without, it is convolutional throughout.

    Returns
    -------
    dict
        For `fmdiag.fields.build_network`.
    """
    check_choice("network", kind, KINDS)
    shape = [int(size) for size in shape]
    image = len(shape) == 3 and min(shape[1:]) >= SMALLEST_IMAGE
    if kind == "unet2d" or (kind == "auto" and image):
        return _unet(shape, width, depth, dropout, channels, attention)
    if dropout or channels or not attention:
        raise FmdiagError("dropout, channels and attention are for unet2d; the mlp has none: leave them out")
    spec = {"name": "mlp", "shape": shape, "width": width or 512, "depth": depth or 4}
    # Narrower than the data, it could not pass the noise on.
    return spec | {"skip": True} if spec["width"] < math.prod(shape) else spec


def parameters_of(spec):
    """Return the number of parameters of the network that `spec` describes; no memory is taken for them."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in build_network(spec).parameters())


def width_of(spec):
    """Return the width of the network that `spec` describes: hidden units, or channels of the U-Net's first level."""
    return spec["width"] if spec["name"] == "mlp" else spec["channels"][0]


def _unet(shape, width, depth, dropout, channels, attention):
    if len(shape) != 3:
        raise FmdiagError(f"unet2d needs images of shape (c, h, w), got samples of shape {tuple(shape)}: use mlp")
    if channels and width:
        raise FmdiagError(f"width {width} and channels {list(channels)} both say how wide the unet2d is: give one")
    side = max(shape[1:])
    base = width or (32 if side <= 8 else 64 if side <= 16 else 128)
    levels = min(4, max(1, math.ceil(math.log2(side)) - 1))
    spec = {"name": "unet2d", "shape": shape, "channels": list(channels or [base] + [2 * base] * (levels - 1)),
            "layers": depth or 2, "attention": ATTENTION_SIDES if attention else [], "dropout": float(dropout)}
    return spec if attention else spec | {"middle": False}

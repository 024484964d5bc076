"""`diffusers.UNet2DModel` as a velocity field v(x, t) for images.

Time is passed as the tensor 1000 t: the model's embedding was made for steps 0 to 999, and it would cast a number that
is not a tensor to an integer. Images whose sides the levels cannot halve evenly are padded with zeros, and the velocity
is cropped back.
"""

import math

from torch import nn

from fmdiag.errors import FmdiagError

TIME_SCALE = 1000.0
MAX_GROUPS = 32


class ImageUNet(nn.Module):
    """U-Net v(x, t) on images.

    Parameters
    ----------
    shape : sequence of int
        (channels, height, width) of one image.
    channels : sequence of int
        Feature channels per level; each level but the first halves both sides.
    layers : int
        Residual blocks per level, at least 1.
    attention : sequence of int
        Image heights (in pixels, at the level) at which blocks attend.
    dropout : float
        Dropout probability in [0, 1), active in training only.
    middle : bool
        Whether the middle block attends; without it and with no height in `attention` the network is convolutional.

    Raises
    ------
    FmdiagError
        If the shape is not that of an image, or an argument is out of range.
    """

    def __init__(self, shape, channels=(128, 256, 256, 256), layers=2, attention=(16,), dropout=0.0, middle=True):
        super().__init__()
        _check(shape, channels, layers, dropout)
        # diffusers takes seconds to import: only who builds a U-Net waits for it.
        from diffusers import UNet2DModel

        self.multiple = 2 ** (len(channels) - 1)
        sides = [math.ceil(size / self.multiple) * self.multiple for size in shape[1:]]
        attends = [sides[0] // 2**level in attention for level in range(len(channels))]
        self.unet = UNet2DModel(
            sample_size=tuple(sides), in_channels=shape[0], out_channels=shape[0], block_out_channels=tuple(channels),
            layers_per_block=layers, dropout=dropout, norm_num_groups=_groups(channels),
            attention_head_dim=math.gcd(64, *channels), add_attention=middle,
            down_block_types=tuple("AttnDownBlock2D" if attend else "DownBlock2D" for attend in attends),
            up_block_types=tuple("AttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)))

    def forward(self, x, t):
        """Return the velocity at x, shape (b, c, h, w), and times t, shape (b,) in [0, 1]."""
        height, width = x.shape[2:]
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        padded = nn.functional.pad(x, padding) if any(padding) else x
        return self.unet(padded, TIME_SCALE * t).sample[..., :height, :width]


def _groups(channels):
    # At least four channels to a group: normalising single channels would erase how bright an image is.
    return math.gcd(MAX_GROUPS, math.gcd(*channels) // 4) if math.gcd(*channels) >= 4 else 1


def _check(shape, channels, layers, dropout):
    if len(shape) != 3:
        raise FmdiagError(f"unet2d needs images of shape (c, h, w), got rows of shape {tuple(shape)}: use mlp")
    if not 1 <= len(channels) <= 8 or not all(1 <= c <= 8192 for c in channels):
        raise FmdiagError(f"unet2d needs 1 to 8 levels of 1 to 8192 channels, got channels {list(channels)}")
    if any(c % 2 for c in channels):
        raise FmdiagError(f"unet2d needs even channel counts, got {list(channels)}")
    if not 1 <= layers <= 16 or not 0 <= dropout < 1:
        raise FmdiagError(f"unet2d needs layers in [1, 16] and dropout in [0, 1), got {layers} and {dropout}")

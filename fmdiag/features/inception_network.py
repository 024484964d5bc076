"""Inception-V3 as TensorFlow's graph of 2015-12-05 has it, up to its last pooling: the FID network.

It differs from the published Inception-V3 in four ways, each of which changes FID: average pools leave the border's
zeros out of the mean; the last block pools by maximum; pictures are resized bilinearly without half-pixel centres; and
they are normalised by (x - 128) / 128. Names are those of the state dict `pt_inception-2015-12-05-6726825d.pth`.

References
----------
Szegedy et al. 2015, arXiv 1512.00567, figures 5 to 7 and table 1 (the blocks). Heusel et al. 2017 (FID).
"""

import torch
from torch import nn
from torch.nn import functional

SIDE, DIM = 299, 2048


class Conv(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(self, before, after, kernel, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x):
        """Return shape (b, after, ...)."""
        return functional.relu(self.bn(self.conv(x)), inplace=True)


def average(x):
    """Return the mean over 3 x 3, of what lies inside the picture."""
    return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def maximum(x):
    """Return the maximum over 3 x 3, same size."""
    return functional.max_pool2d(x, 3, 1, 1)


def halved(x):
    """Return the maximum over 3 x 3 in steps of 2."""
    return functional.max_pool2d(x, 3, 2)


class Block(nn.Module):
    """Branches side by side, their channels concatenated.

    Parameters
    ----------
    convolutions : dict
        Name -> Conv, as the state dict names them.
    branches : sequence
        A branch is a sequence of steps: the name of a convolution, a function, or a tuple of names whose outputs are
        concatenated.
    """

    def __init__(self, convolutions, branches):
        super().__init__()
        self.branches = branches
        for name, conv in convolutions.items():
            self.add_module(name, conv)

    def forward(self, x):
        """Return shape (b, sum of channels, h, w)."""
        return torch.cat([self._branch(x, steps) for steps in self.branches], 1)

    def _branch(self, x, steps):
        for step in steps:
            if isinstance(step, tuple):
                x = torch.cat([self.get_submodule(name)(x) for name in step], 1)
            else:
                x = self.get_submodule(step)(x) if isinstance(step, str) else step(x)
        return x


def block_a(before, pooled):
    """Return the block of 1 x 1, 5 x 5 and twice 3 x 3."""
    return Block({
        "branch1x1": Conv(before, 64, 1),
        "branch5x5_1": Conv(before, 48, 1), "branch5x5_2": Conv(48, 64, 5, padding=2),
        "branch3x3dbl_1": Conv(before, 64, 1), "branch3x3dbl_2": Conv(64, 96, 3, padding=1),
        "branch3x3dbl_3": Conv(96, 96, 3, padding=1), "branch_pool": Conv(before, pooled, 1),
    }, [["branch1x1"], ["branch5x5_1", "branch5x5_2"], ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"],
        [average, "branch_pool"]])


def block_b(before):
    """Return the block that halves the side to 17."""
    return Block({
        "branch3x3": Conv(before, 384, 3, 2), "branch3x3dbl_1": Conv(before, 64, 1),
        "branch3x3dbl_2": Conv(64, 96, 3, padding=1), "branch3x3dbl_3": Conv(96, 96, 3, 2),
    }, [["branch3x3"], ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"], [halved]])


def block_c(before, inner):
    """Return the block of 7 x 7 as 1 x 7 and 7 x 1."""
    wide, high = {"kernel": (1, 7), "padding": (0, 3)}, {"kernel": (7, 1), "padding": (3, 0)}
    return Block({
        "branch1x1": Conv(before, 192, 1), "branch7x7_1": Conv(before, inner, 1),
        "branch7x7_2": Conv(inner, inner, **wide), "branch7x7_3": Conv(inner, 192, **high),
        "branch7x7dbl_1": Conv(before, inner, 1), "branch7x7dbl_2": Conv(inner, inner, **high),
        "branch7x7dbl_3": Conv(inner, inner, **wide), "branch7x7dbl_4": Conv(inner, inner, **high),
        "branch7x7dbl_5": Conv(inner, 192, **wide), "branch_pool": Conv(before, 192, 1),
    }, [["branch1x1"], [f"branch7x7_{k}" for k in (1, 2, 3)], [f"branch7x7dbl_{k}" for k in (1, 2, 3, 4, 5)],
        [average, "branch_pool"]])


def block_d(before):
    """Return the block that halves the side to 8."""
    return Block({
        "branch3x3_1": Conv(before, 192, 1), "branch3x3_2": Conv(192, 320, 3, 2),
        "branch7x7x3_1": Conv(before, 192, 1), "branch7x7x3_2": Conv(192, 192, (1, 7), padding=(0, 3)),
        "branch7x7x3_3": Conv(192, 192, (7, 1), padding=(3, 0)), "branch7x7x3_4": Conv(192, 192, 3, 2),
    }, [["branch3x3_1", "branch3x3_2"], [f"branch7x7x3_{k}" for k in (1, 2, 3, 4)], [halved]])


def block_e(before, pool):
    """Return the block whose 3 x 3 are split into 1 x 3 beside 3 x 1."""
    wide, high = {"kernel": (1, 3), "padding": (0, 1)}, {"kernel": (3, 1), "padding": (1, 0)}
    return Block({
        "branch1x1": Conv(before, 320, 1), "branch3x3_1": Conv(before, 384, 1),
        "branch3x3_2a": Conv(384, 384, **wide), "branch3x3_2b": Conv(384, 384, **high),
        "branch3x3dbl_1": Conv(before, 448, 1), "branch3x3dbl_2": Conv(448, 384, 3, padding=1),
        "branch3x3dbl_3a": Conv(384, 384, **wide), "branch3x3dbl_3b": Conv(384, 384, **high),
        "branch_pool": Conv(before, 192, 1),
    }, [["branch1x1"], ["branch3x3_1", ("branch3x3_2a", "branch3x3_2b")],
        ["branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")], [pool, "branch_pool"]])


class FIDInception(nn.Module):
    """Pictures, uint8, shape (b, 3, h, w), to pool3 features, float32, shape (b, 2048)."""

    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = block_a(192, 32), block_a(256, 64), block_a(288, 64)
        self.Mixed_6a, self.Mixed_6b = block_b(288), block_c(768, 128)
        self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = block_c(768, 160), block_c(768, 160), block_c(768, 192)
        self.Mixed_7a, self.Mixed_7b, self.Mixed_7c = block_d(768), block_e(1280, average), block_e(2048, maximum)

    def forward(self, pictures):
        """Return the mean over the last 8 x 8 places."""
        x = (resize_bilinear(pictures.float(), SIDE) - 128) / 128
        x = halved(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = halved(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        for name, block in self.named_children():
            x = block(x) if name.startswith("Mixed") else x
        return x.mean((2, 3))


def resize_bilinear(images, side):
    """Return images, shape (b, c, side, side), as TensorFlow 1 resizes: output i is read at i * input / output.

    Neither half-pixel centres nor antialiasing; beyond the last pixel the last one counts.
    """
    high, wide = (_weights(size, side, images) for size in images.shape[-2:])
    return high @ images @ wide.T


def _weights(size, side, like):
    place = torch.arange(side, dtype=torch.float64) * size / side
    low = place.floor().long()
    weights = torch.zeros(side, size, dtype=torch.float64)
    rows = torch.arange(side)
    weights[rows, low] += 1 - (place - low)
    weights[rows, (low + 1).clamp(max=size - 1)] += place - low
    return weights.to(like)

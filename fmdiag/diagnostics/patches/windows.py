"""Windows of images: all k x k windows of an image at a stride, which of them are blank, and where their pixels lie."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from fmdiag.closed_forms.boxes import image_shape
from fmdiag.errors import FmdiagError

PART = 4            # the default window is about a fourth of the shorter side, at least LEAST pixels
LEAST = 5
CONTRAST = 0.1      # a window with less of the training images' standard deviation is blank
N_COMPARED = 1000


@dataclass(frozen=True)
class Windows:
    """The windows of images of one size.

    Parameters
    ----------
    shape : tuple of int
        (channels, height, width) of an image.
    k : int
        Side of a window.
    stride : int
        Pixels between neighboring windows; the last row and column of windows end at the border.
    """

    shape: tuple
    k: int
    stride: int = 1

    @property
    def places(self):
        """Upper left corners, int64, shape (windows, 2)."""
        tops, lefts = (_steps(side - self.k, self.stride) for side in self.shape[1:])
        return np.stack([corner.reshape(-1) for corner in np.meshgrid(tops, lefts, indexing="ij")], axis=1)

    def at(self, images, place):
        """Return the windows of images, shape (b, channels, height, width), at one place; shape (b, channels k k)."""
        top, left = place
        return images[:, :, top : top + self.k, left : left + self.k].reshape(len(images), -1)

    def columns(self, images, place):
        """Return windows of images, shape (channels, height, width, m), at one place; shape (channels k k, m)."""
        top, left = place
        return images[:, top : top + self.k, left : left + self.k].reshape(-1, images.shape[-1])

    def of(self, images, numbers, places):
        """Return windows, float64, shape (m, channels k k): that of image ``numbers[j]`` at ``places[j]``."""
        views = images.unfold(2, self.k, 1).unfold(3, self.k, 1)
        top, left = torch.as_tensor(places).unbind(-1)
        return views[torch.as_tensor(numbers), :, top, left].double().reshape(len(numbers), -1)

    def covered(self, chosen):
        """Return the pixels that windows cover, bool, shape (height, width); `chosen`: corners, shape (m, 2)."""
        _, height, width = self.shape
        corners = np.zeros((height + 1, width + 1), np.int64)
        for top, left in np.asarray(chosen).reshape(-1, 2):
            corners[top, left] += 1
            corners[top + self.k, left + self.k] += 1
            corners[top + self.k, left] -= 1
            corners[top, left + self.k] -= 1
        return corners.cumsum(0).cumsum(1)[:height, :width] > 0

    def contrast(self, images):
        """Return the standard deviation within each window, each channel about its own mean; shape (b, windows)."""
        found = []
        for place in self.places:
            window = self.at(images, place).reshape(len(images), self.shape[0], -1).double()
            found.append(window.var(2, correction=0).mean(1).sqrt())
        return torch.stack(found, dim=1)

    def telling(self, images, least):
        """Return which pixels are not blank, bool, shape (b, height, width), of images (b, channels, height, width).

        The standard deviation of the 3 x 3 pixels around them, each channel about its own mean, is at least `least`.
        """
        mean = partial(torch.nn.functional.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
        values = images.double()
        return (mean(values.square()) - mean(values).square()).mean(1).clamp(min=0).sqrt() >= least


def windows_of(training_set, k=None, stride=1):
    """Return the Windows of a training set's images.

    Parameters
    ----------
    training_set : TrainingSet
    k : int, optional
        Side; default the odd number nearest to a fourth of the shorter side, at least 5.
    stride : int

    Raises
    ------
    FmdiagError
        If the rows are no images, or the window does not fit into them.
    """
    shape = image_shape(training_set, "patches")
    side = min(shape[1:])
    usual = min(side, max(LEAST, 2 * (side // (2 * PART)) + 1))
    k = usual if k is None else k
    if isinstance(k, bool) or int(k) != k or not 2 <= k <= side:
        raise FmdiagError(f"windows of patches must be 2 to {side} pixels wide for images of {shape[1]} x {shape[2]}, "
                          f"got {k}: give --window {usual}")
    if isinstance(stride, bool) or int(stride) != stride or not 1 <= stride <= k:
        raise FmdiagError(f"the stride of windows must be 1 to {k}, so that they leave no pixel out, got {stride}: "
                          "give --stride 1")
    return Windows(shape, int(k), int(stride))


def typical(training_set):
    """Return (mean image, standard deviation of all values) of at most 1000 training rows at equal distances.

    Raises
    ------
    FmdiagError
        If all values are equal.
    """
    rows = training_set[np.arange(0, training_set.n, max(1, training_set.n // N_COMPARED))[:N_COMPARED]]
    deviation = float(rows.double().std(correction=0))
    if deviation == 0:
        raise FmdiagError(f"{training_set.name}: all values of the training images are equal, so that every window is "
                          "blank: give images that show something")
    return rows.mean(0), deviation


def _steps(last, stride):
    """Return 0, stride, 2 stride ... and `last`, where the last window ends at the border."""
    return np.unique(np.append(np.arange(0, last + 1, stride), last))

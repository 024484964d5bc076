"""Box sums over the k x k patch around each pixel of an image, cut at its border.

A sum over patches is separable: a product with a band matrix of zeros and ones along the columns and one along the
rows. Its cost hardly depends on k, and as it adds up what lies in the patch and subtracts nothing, sums of squares keep
their relative precision, which integral images lose (near t = 1 by many nats in float32). Zeros add up to exactly zero.
"""

import torch

from fmdiag.closed_forms.scratch import Scratch
from fmdiag.errors import FmdiagError


def image_shape(training_set, what):
    """Return (channels, height, width) of the rows; raise FmdiagError where they are no images."""
    shape = training_set.shape
    if len(shape) == 2:
        return 1, *shape
    if len(shape) != 3:
        raise FmdiagError(f"{what} needs images, rows of shape (height, width) or (channels, height, width), and those "
                          f"of {training_set.name} have shape {shape}: leave {what} out for them")
    return shape


def check_size(k, height, width):
    """Return k as an int; raise FmdiagError unless it is odd and from 1 to 2 h - 1, h the longer side."""
    largest = 2 * max(height, width) - 1
    if isinstance(k, bool) or int(k) != k or not 1 <= k <= largest or k % 2 == 0:
        raise FmdiagError(f"patch sizes k must be odd and from 1 to {largest} for images of {height} x {width} (at "
                          f"{largest} every patch is the whole image), got {k}")
    return int(k)


class Boxes:
    """Sums over patches of images of one size.

    Parameters
    ----------
    height, width : int
        Of the images.
    device : torch.device
    dtype : torch.dtype
    """

    def __init__(self, height, width, device, dtype=torch.float64):
        self.height, self.width, self.device, self.dtype = height, width, device, dtype
        self._bands, self._scratch = {}, Scratch(device, dtype)

    def band(self, size, k):
        """Return the matrix, shape (size, size), that has 1 where two places are at most (k - 1) / 2 apart."""
        if (size, k) not in self._bands:
            place = torch.arange(size, device=self.device)
            near = (place[:, None] - place).abs() <= k // 2
            self._bands[size, k] = near.to(self.dtype)
        return self._bands[size, k]

    def sums(self, maps, k, name="sums"):
        """Return the sums over the k x k patch around each pixel.

        Parameters
        ----------
        maps : Tensor, shape (b, height, width, m)
            In the dtype of the Boxes.
        k : int
            Odd.
        name : str
            Of the sums: they last until sums of this name are asked for again.

        Returns
        -------
        Tensor, shape (b, height, width, m)
        """
        b, h, w, m = maps.shape
        columns, sums = (self._scratch(what, (b, h, w, m)) for what in ("columns", name))
        if k == 1:
            return sums.copy_(maps)
        torch.bmm(self.band(h, k).expand(b, h, h), maps.reshape(b, h, w * m), out=columns.view(b, h, w * m))
        torch.bmm(self.band(w, k).expand(b * h, w, w), columns.view(b * h, w, m), out=sums.view(b * h, w, m))
        return sums

    def counts(self, k):
        """Return how many pixels the patch around each pixel has, which is in how many patches the pixel is."""
        return self.band(self.height, k).sum(1)[:, None] * self.band(self.width, k).sum(1)

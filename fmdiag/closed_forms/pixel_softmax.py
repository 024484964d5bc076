"""Online softmax over examples with a running maximum of its own for every query and pixel.

A running maximum that several queries share underflows for all but the nearest of them. With one per query and pixel
the result is the softmax over the whole set, whatever the blocks (Milakov and Gimelshein, arXiv 1805.02867).
"""

import torch

from fmdiag.posterior.state import FLOOR


class PixelSoftmax:
    """Running sums of w_i(p) = exp(l_i(p)) and w_i(p) X_i(p) for b queries; float64.

    Parameters
    ----------
    b : int
        Number of queries.
    shape : tuple of int
        (channels, height, width).
    device : torch.device
    """

    def __init__(self, b, shape, device):
        channels, *size = shape
        self.max = torch.full((b, *size), -torch.inf, dtype=torch.float64, device=device)
        self.weight = torch.zeros_like(self.max)
        self.weighted = torch.zeros(b, channels, *size, dtype=torch.float64, device=device)

    def add(self, queries, logs, images):
        """Add a block of examples for some of the queries.

        Parameters
        ----------
        queries : slice
            Of the b queries.
        logs : Tensor, shape (queries, height, width, m)
            Log-weights; overwritten.
        images : Tensor, shape (channels, height, width, m)
            The examples.
        """
        top = torch.maximum(self.max[queries], logs.amax(-1).double())
        scale = (self.max[queries] - top).exp_()
        # Less than n e^-80 of the weight is put where there is none; in return no denormal enters a product.
        weights = logs.sub_(top[..., None]).clamp_(min=-FLOOR).exp_()
        self.max[queries] = top
        self.weight[queries] = self.weight[queries] * scale + weights.sum(-1)
        found = torch.stack([torch.linalg.vecdot(weights, channel) for channel in images], 1)
        self.weighted[queries] = self.weighted[queries] * scale[:, None] + found

    def mean(self):
        """Return the means, shape (b, channels, height, width)."""
        return self.weighted / self.weight[:, None]

    def log_total(self):
        """Return log sum_i exp(l_i(p)), shape (b, height, width)."""
        return self.max + self.weight.log()

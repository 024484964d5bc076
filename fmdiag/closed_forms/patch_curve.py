"""Patch posteriors along the paths of given pairs (x0, x1), at many times for less than one after the other costs.

On a Gaussian path x_t - alpha X_i = sigma x0 + alpha (x1 - X_i). With s = alpha / sigma the log-weight of example i for
the patch P(p), relative to that of x1 itself, is

    l_i(p) = -s a_i(p) - s^2 b_i(p) / 2,
    a_i(p) = sum_{q in P(p)} <x0(q), x1(q) - X_i(q)>,      b_i(p) = sum_{q in P(p)} |x1(q) - X_i(q)|^2.

Two box sums, formed once, serve every time: what is left for each is one exponential per example and pixel. Nothing
cancels as t -> 1, since only differences of images enter; float32 is exact enough for small patches at all times.

Where x1 is an example its own log-weight is 0, so that weights add up to 1 or more; and by Cauchy's inequality
l_i(p) <= a^2 / (2 b) <= |x0|^2 / 2 on the patch. So no running maximum is needed where e^(|x0|^2 / 2) is a number of
the type used; beyond that the plain form answers. As b >= 0, a log-weight that has fallen below -C never returns: a
pixel for which a block of examples has no weight needs that block at no later time.
"""

import math

import torch

from fmdiag.closed_forms.boxes import Boxes
from fmdiag.closed_forms.scratch import Scratch
from fmdiag.posterior.state import FLOOR

# log of the largest sum of weights, less a margin; float32 counts for patches of so few values only.
MOST = {torch.float32: 85.0, torch.float64: 690.0}
# Share of a pixel's weight that may be left out.
MASS = {torch.float32: 1e-6, torch.float64: 1e-13}
WORTH_LEAVING = 0.6     # a block is cut down once no more than this share of its pixels is left


def curve_dtype(x0, k, boxes, n):
    """Return the dtype for pairs with noise x0, shape (b, channels, height, width), or None where none is wide enough.

    float32 for float32 noise and small patches.
    """
    largest = boxes.sums(x0.double().square().sum(1)[..., None], k).max().item() / 2 + math.log(n)
    fitting = [dtype for dtype, most in MOST.items() if largest <= most]
    return next((dtype for dtype in fitting if dtype == torch.float64 or x0.dtype == torch.float32), None)


class PatchCurve:
    """Sums over all examples for pairs and times.

    Parameters
    ----------
    rows : ImageRows
        The training images; each x1 is one of them.
    k : int
        Patch size.
    dtype : torch.dtype
        Of what is formed per example; sums over blocks are float64.
    """

    def __init__(self, rows, k, dtype):
        self.rows, self.k, self.dtype = rows, k, dtype
        self.boxes, self._scratch = Boxes(*rows.shape[1:], rows.device, dtype), Scratch(rows.device, dtype)

    def local_means(self, x0, x1, s):
        """Return the local score's D, float64, shape (times, b, channels, height, width).

        Parameters
        ----------
        x0, x1 : Tensor, shape (b, channels, height, width)
            Noise and data of the pairs.
        s : Tensor, float64, shape (times,)
            alpha / sigma.
        """
        weight, weighted = self._sums(x0, x1, s)
        return self._shaped(weighted / weight)

    def averaged_means(self, x0, x1, s):
        """Return D of the composite of patch posteriors; as `local_means`."""
        totals, _ = self._sums(x0, x1, s)
        means = self._zeros(x0, s, x0.shape[1])

        def add(j, block, logs):
            total = totals[j, 0, block.pixels]
            weights = _weights(logs.sub_(total.log()[:, None]))
            covered = self.boxes.sums(block.whole(weights), self.k).flatten(0, 2)
            for channel, image in enumerate(block.images):
                found = torch.mul(covered, image, out=self._scratch("product", image.shape))
                means[j, channel, block.span] += found.sum(-1)
            return weights.sum(-1) * total

        self._each_block(x0, x1, s, add)
        return self._shaped(means) / self.boxes.counts(self.k)

    def _sums(self, x0, x1, s):
        """Return the sums of weights, shape (times, 1, pixels of all pairs), and of weighted examples, per channel."""
        weight, weighted = self._zeros(x0, s, 1), self._zeros(x0, s, x0.shape[1])

        def add(j, block, logs):
            weights = _weights(logs)
            sums = weights.sum(-1).double()
            weight[j, 0].index_add_(0, block.pixels, sums)
            for channel, image in enumerate(block.shown):
                found = torch.mul(weights, image, out=self._scratch("product", image.shape)).sum(-1)
                weighted[j, channel].index_add_(0, block.pixels, found.double())
            return sums

        self._each_block(x0, x1, s, add)
        return weight, weighted

    def _each_block(self, x0, x1, s, add):
        """Call ``add(number of the time, block, its log-weights)``, which returns the block's sum of weights per pixel.

        What is left of a block shrinks as s ascends.
        """
        negligible = MASS[self.dtype] / self.rows.training_set.n
        for images in self.rows:
            images = images.to(self.dtype)
            for queries in self.rows.queries(len(x0), images.shape[-1]):
                block = self._block(x0[queries].to(self.dtype), x1[queries].to(self.dtype), images, queries)
                for j in s.argsort().tolist():
                    if not len(block.pixels):
                        break
                    sums = add(j, block, block.logs(s[j].item()))
                    left = sums >= negligible
                    if left.sum() <= WORTH_LEAVING * len(left):
                        block.cut(left)

    def _block(self, x0, x1, images, queries):
        shape = (len(x0), *images.shape[1:])
        difference, slope, bend = (self._scratch(name, shape) for name in ("difference", "slope", "bend"))
        for channel, image in enumerate(images):
            torch.sub(x1[:, channel, ..., None], image, out=difference)
            if channel:
                slope.addcmul_(x0[:, channel, ..., None], difference)
                bend.addcmul_(difference, difference)
            else:
                torch.mul(x0[:, channel, ..., None], difference, out=slope)
                torch.mul(difference, difference, out=bend)
        return Block(self.boxes.sums(slope, self.k, "slope"), self.boxes.sums(bend, self.k, "bend"), images, queries,
                     self._scratch)

    def _zeros(self, x0, s, channels):
        return torch.zeros(len(s), channels, x0[:, 0].numel(), dtype=torch.float64, device=x0.device)

    def _shaped(self, values):
        """Return (times, channels, pixels of all pairs) as (times, b, channels, height, width)."""
        return values.reshape(*values.shape[:2], -1, *self.rows.shape[1:]).transpose(1, 2)


class Block:
    """What is left of a block of examples for some pairs: pixels for which it had weight so far.

    Parameters
    ----------
    slope, bend : Tensor, shape (b, height, width, m)
        a_i(p) and b_i(p).
    images : Tensor, shape (channels, height, width, m)
        The examples.
    queries : slice
        Which of all pairs.
    scratch : Scratch
        Where log-weights are put.

    Attributes
    ----------
    pixels : Tensor of int64
        Numbers of the pixels left, counted through all pairs; `slope`, `bend` and `shown` have a line for each.
    """

    def __init__(self, slope, bend, images, queries, scratch):
        self.shape, self._scratch = slope.shape, scratch
        size = self.shape[1] * self.shape[2]
        self.slope, self.bend = slope.flatten(0, 2), bend.flatten(0, 2)
        self.images = images[:, None].expand(-1, len(slope), -1, -1, -1).flatten(1, 3)
        self.span, self.shown = slice(queries.start * size, queries.stop * size), self.images
        self.pixels = torch.arange(self.span.start, self.span.stop, device=slope.device)

    def logs(self, s):
        """Return l_i(p) at one s, shape (pixels left, m)."""
        return torch.add(self.slope, self.bend, alpha=s / 2, out=self._scratch("logs", self.slope.shape)).mul_(-s)

    def cut(self, left):
        """Keep the pixels of a mask."""
        left = torch.nonzero(left).reshape(-1)
        self.slope, self.bend = self.slope.index_select(0, left), self.bend.index_select(0, left)
        self.pixels, self.shown = self.pixels.index_select(0, left), self.shown.index_select(1, left)

    def whole(self, values):
        """Return values of the pixels left among zeros, shape (b, height, width, m)."""
        if len(self.pixels) < self.images.shape[1]:
            zeros = self._scratch("whole", self.images[0].shape).zero_()
            values = zeros.index_copy_(0, self.pixels - self.span.start, values)
        return values.reshape(self.shape)


def _weights(logs):
    """Return e^l in place of l, at least e^-80: no denormal enters a product."""
    return logs.clamp_(min=-FLOOR).exp_()

"""Equivariant local score (ELS): the local score with patches of the training images from every position.

    D(x, t)(p) = sum_{i, q} w_iq(p) X_i(q),
    w_iq(p) = softmax over (i, q) of  - sum_{delta in P(p) - p} |x(p + delta) - alpha X_i(q + delta)|^2 / (2 sigma^2)

A convolutional network does not know where in the image it is, so that it can mistake a patch for one from elsewhere.
P(p) is the k x k patch around p cut at the border, and q runs over all positions at which the patch so cut lies in the
image; with k = 2 h - 1 only its own place is left, which is û*. Every position of every image is compared with every
pixel, so that a subset of the examples is used; which one is part of the theory.

References
----------
Kamb and Ganguli, "An analytic theory of creativity in convolutional diffusion models", arXiv 2412.20292, section 4.
"""

import torch

from fmdiag.closed_forms.base import ClosedForm
from fmdiag.closed_forms.boxes import image_shape
from fmdiag.closed_forms.patch_sizes import PatchSizes
from fmdiag.closed_forms.pixel_softmax import PixelSoftmax
from fmdiag.errors import FmdiagError
from fmdiag.memory import with_less

LEAST_MEMORY = 10**6        # bytes: below it, less would not help
ENTRIES = 1 << 20           # of pixels x patches at a time
PATCHES_AT_ONCE = 1 << 14


class ELSField(ClosedForm):
    """Field of the equivariant local score on a subset of the examples; callable as v(x, t).

    Parameters
    ----------
    training_set, path, memory, device
        As in `ClosedForm`.
    k : int or sequence of int
        Odd size of patches in pixels, or one for each of `times`.
    times : sequence of float, optional
        Times of a schedule k(t); the nearest counts.
    n_examples : int
        Stored examples in the subset, at most; all where there are fewer.
    seed : int
        Of the draw of the subset; subsets of one seed are nested.

    Attributes
    ----------
    subset : TrainingSet
        The examples that are used.

    Raises
    ------
    FmdiagError
        If the rows are no images, or sizes or the number of examples do not fit.
    """

    what = "the equivariant local score"

    def __init__(self, training_set, path=None, *, k=7, times=None, n_examples=200, seed=0, memory=None, device="cpu"):
        super().__init__(training_set, path, memory=memory, device=device)
        self.image_shape = image_shape(self.training_set, self.what)
        self.sizes = PatchSizes(k, times, *self.image_shape[1:])
        if isinstance(n_examples, bool) or int(n_examples) != n_examples or n_examples < 1:
            raise FmdiagError(f"n_examples must be a whole number from 1, got {n_examples}")
        self.subset = self.training_set
        if n_examples < self.training_set.n_stored:
            self.subset = self.training_set.subset(int(n_examples), seed=seed)
        self.settings = {"k": str(self.sizes), "n_examples": self.subset.n_stored, "seed": seed}

    def denoised(self, x, t, alpha, sigma):
        """Return D at points of shape (b, *shape); see `ClosedForm`."""
        points, sizes = x.reshape(len(x), *self.image_shape), self.sizes.at(t)
        mean = torch.empty_like(points)
        for j, k in enumerate(sizes.tolist()):
            mean[j] = with_less(lambda j=j, k=k: self._mean(points[j], alpha[j], sigma[j], k), self._use_less,
                                lambda: self.memory, f"bytes of memory for {self.what}", LEAST_MEMORY)
        return mean.reshape(x.shape)

    def _mean(self, x, alpha, sigma, k):
        """Return D at one point, shape (channels, height, width): pixel by pixel of one cut of the patch at a time."""
        mean, (_, height, width) = torch.empty_like(x), x.shape
        for rows, above, tall in _cuts(height, k):
            for columns, left, wide in _cuts(width, k):
                patches, _ = _patches(x[None], tall, wide, above, left)
                patches = patches.reshape(height - tall + 1, width - wide + 1, -1)
                own = patches[rows[0] - above : rows[-1] - above + 1, columns[0] - left : columns[-1] - left + 1]
                found = self._posterior_mean(own.reshape(-1, own.shape[-1]), alpha, sigma, (tall, wide, above, left))
                mean[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = found.T.reshape(
                    -1, len(rows), len(columns))
        return mean

    def _posterior_mean(self, own, alpha, sigma, cut):
        """Return what the posterior over patches of one cut expects at their centres, for patches `own` (b, values)."""
        state = PixelSoftmax(len(own), (self.image_shape[0], 1, 1), own.device)
        square, scale = own.square().sum(1, keepdim=True), -0.5 / sigma.square()
        entries = min(ENTRIES, max(1, self.memory // 64))
        per_image = (self.image_shape[1] - cut[0] + 1) * (self.image_shape[2] - cut[1] + 1)
        block_rows = max(1, min(PATCHES_AT_ONCE, entries) // max(per_image, own.shape[1]))
        for _, block in self.subset.blocks(block_rows, device=self.device):
            patches, centres = _patches(block.double().reshape(-1, *self.image_shape), *cut)
            norms, centres = patches.square().sum(1), centres.T.reshape(-1, 1, 1, len(patches)).contiguous()
            for queries in torch.arange(len(own)).split(max(1, entries // len(patches))):
                part = slice(int(queries[0]), int(queries[-1]) + 1)
                logs = torch.addmm(square[part], own[part], patches.T, alpha=-2 * alpha.item())
                logs.add_(norms, alpha=alpha.square().item()).mul_(scale)
                state.add(part, logs[:, None, None], centres)
        return state.mean()[..., 0, 0]

    def _use_less(self):
        self.memory //= 2


def _cuts(size, k):
    """Yield (places, how many pixels of the patch lie before each, its length) for each way in which it is cut."""
    half = k // 2
    places = {}
    for place in range(size):
        before, after = min(half, place), min(half, size - 1 - place)
        places.setdefault((before, before + 1 + after), []).append(place)
    for (before, length), found in places.items():
        yield found, before, length


def _patches(images, tall, wide, above, left):
    """Return all patches of one size, shape (images x positions, values), and their pixels at (above, left)."""
    m, channels, height, width = images.shape
    patches = images.unfold(2, tall, 1).unfold(3, wide, 1).permute(0, 2, 3, 1, 4, 5)
    centres = images[:, :, above : above + height - tall + 1, left : left + width - wide + 1].permute(0, 2, 3, 1)
    return patches.reshape(-1, channels * tall * wide), centres.reshape(-1, channels)

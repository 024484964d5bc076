"""Patch posteriors: for each pixel the softmax over training images of the distance between patches at one place.

    w_i(p) = softmax_i( - sum_{q in P(p)} |x(q) - alpha X_i(q)|^2 / (2 sigma^2) )

P(p) is the k x k patch around p, cut at the border; channels are summed. Two means come from it, each exact and
streamed over blocks of examples:

    local score                 D(p) = sum_i w_i(p) X_i(p)                                      one pass
    patch posterior composites  D(p) = sum_i X_i(p) (1 / |P(p)|) sum_{l in P(p)} w_i(l)         two passes

The second is the mean over all patches that cover p, l being in P(p) whenever p is in P(l), of what the posterior of
that patch expects at p. Every patch has its own normaliser, which the first pass finds; the second needs one more box
sum of normalised weights in place of a loop over k^2 patches.

References
----------
Kamb and Ganguli, "An analytic theory of creativity in convolutional diffusion models", arXiv 2412.20292: local score.
Niedoba, Zwartsenberg, Murphy and Wood, "Towards a mechanistic explanation of diffusion model generalization",
arXiv 2411.19339: PSPC-Square.
"""

import torch

from fmdiag.closed_forms.boxes import Boxes
from fmdiag.closed_forms.pixel_softmax import PixelSoftmax
from fmdiag.closed_forms.scratch import Scratch
from fmdiag.posterior.state import FLOOR


class PatchPosterior:
    """Means of patch posteriors at points x of shape (b, channels, height, width).

    Parameters
    ----------
    rows : ImageRows
        The training images.
    """

    def __init__(self, rows):
        self.rows, self.boxes = rows, Boxes(*rows.shape[1:], rows.device)
        self._scratch = Scratch(rows.device, torch.float64)

    def local_means(self, x, alpha, sigma, sizes):
        """Return the local score's D for each patch size, a dict of k to float64 of the shape of x.

        Parameters
        ----------
        x : Tensor, float64, shape (b, channels, height, width)
            Points in model range.
        alpha, sigma : Tensor, float64, shape (b,)
            Schedules at the points' times, sigma > 0.
        sizes : sequence of int
            Patch sizes; distances of pixels are formed once for all.
        """
        return {k: state.mean() for k, state in self._softmax(x, alpha, sigma, sizes).items()}

    def averaged_means(self, x, alpha, sigma, sizes):
        """Return D of the composite of patch posteriors for each patch size; as `local_means`."""
        totals = {k: state.log_total() for k, state in self._softmax(x, alpha, sigma, sizes).items()}
        means = {k: torch.zeros_like(x) for k in totals}
        for queries, k, logs, images in self._logs(x, alpha, sigma, totals):
            weights = logs.sub_(totals[k][queries, ..., None]).clamp_(min=-FLOOR).exp_()
            covered = self.boxes.sums(weights, k, "covered")
            for channel, image in enumerate(images):
                means[k][queries, channel] += torch.linalg.vecdot(covered, image)
        return {k: mean / self.boxes.counts(k) for k, mean in means.items()}

    def _softmax(self, x, alpha, sigma, sizes):
        states = {k: PixelSoftmax(len(x), self.rows.shape, x.device) for k in sizes}
        for queries, k, logs, images in self._logs(x, alpha, sigma, states):
            states[k].add(queries, logs, images)
        return states

    def _logs(self, x, alpha, sigma, sizes):
        """Yield (queries, k, log-weights of shape (queries, height, width, m), images) in one pass over the images."""
        for images in self.rows:
            for queries in self.rows.queries(len(x), images.shape[-1]):
                scale = -0.5 / sigma[queries].square()
                squares = squared_differences(x[queries], alpha[queries], images, self._scratch)
                for k in sizes:
                    yield queries, k, self.boxes.sums(squares, k).mul_(scale[:, None, None, None]), images


def squared_differences(x, alpha, images, scratch):
    """Return |x(p) - alpha X_i(p)|^2 summed over channels, shape (b, height, width, m), in the Scratch given."""
    shape = (len(x), *images.shape[1:])
    total = scratch("squares", shape)
    for channel, image in enumerate(images):
        square = scratch("square", shape) if channel else total
        torch.addcmul(x[:, channel, ..., None], alpha[:, None, None, None], image, value=-1, out=square).square_()
        if channel:
            total.add_(square)
    return total

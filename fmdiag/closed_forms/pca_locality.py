"""PCA-locality: a posterior for each coordinate that looks only where the Wiener filter of that time looks.

    w_i(m) = softmax_i( - sum_n M_mn (x_n - alpha X_in)^2 / (2 sigma^2) ),      D_m(x, t) = sum_i w_i(m) X_im,
    M_mn = 1 where |W_mn| >= threshold W_mm, else 0,      W = U diag(Lambda / (alpha^2 Lambda + sigma^2)) U^T.

Locality then comes from the data's covariance rather than from an architecture. A threshold of 0 lets every coordinate
look everywhere, which is û*.

The authors' program compares with the largest entry of the whole matrix after each row is divided by its diagonal, so
that one coordinate of little variance decides for all, and averages softmaxes of batches with equal weight. Here each
row is compared with its own diagonal, and the softmax runs over the whole set.

References
----------
Lukoianov, Yuan, Solomon and Sitzmann, "Locality in image diffusion models emerges from data statistics",
arXiv 2509.09672, section 5.
"""

import torch

from fmdiag.closed_forms.base import ClosedForm
from fmdiag.closed_forms.image_rows import ImageRows
from fmdiag.closed_forms.patch_posterior import squared_differences
from fmdiag.closed_forms.pixel_softmax import PixelSoftmax
from fmdiag.closed_forms.scratch import Scratch
from fmdiag.closed_forms.wiener import WienerField
from fmdiag.errors import FmdiagError
from fmdiag.memory import with_less

LEAST_MEMORY = 10**6   # bytes: below it, less would not help


class PCALocalityField(ClosedForm):
    """The field of coordinates that look where the Wiener filter does; callable as v(x, t). Rows of any shape.

    Parameters
    ----------
    training_set, path, memory, device
        As in `ClosedForm`.
    threshold : float
        Share of a row's diagonal, in [0, 1], from which on an entry of the Wiener filter counts.
    block_rows : int, optional
        Examples at a time; it changes results by rounding only.

    Raises
    ------
    FmdiagError
        If the threshold is not in [0, 1], or the covariance does not fit into `memory`.
    """

    what = "PCA-locality"

    def __init__(self, training_set, path=None, *, threshold=0.005, memory=None, device="cpu", block_rows=None):
        super().__init__(training_set, path, memory=memory, device=device)
        if not 0 <= threshold <= 1:
            raise FmdiagError(f"threshold must be in [0, 1], a share of each coordinate's own entry, got {threshold}")
        self.threshold, self.settings = float(threshold), {"threshold": float(threshold)}
        self.wiener = WienerField(self.training_set, self.path, memory=self.memory, device=device)
        self._block_rows, self._rows = block_rows, None

    def denoised(self, x, t, alpha, sigma):
        """Return D at points of shape (b, *shape); see `ClosedForm`."""
        points, mean = x.reshape(len(x), 1, -1, 1), torch.empty_like(x)
        for time in t.unique():
            chosen = t == time
            found = with_less(lambda here=chosen: self._mean(points[here], alpha[here], sigma[here]), self._use_less,
                              lambda: self.memory, f"bytes of memory for {self.what}", LEAST_MEMORY)
            mean[chosen] = found.reshape(-1, *x.shape[1:])
        return mean

    def mask(self, t):
        """Return M at one time, float64 of zeros and ones, shape (d, d): row m is where coordinate m looks."""
        alpha, sigma = self._schedule(torch.as_tensor(t, dtype=torch.float64, device=self.device).reshape(1))
        return self._mask(alpha, sigma)

    def _mask(self, alpha, sigma):
        """Return M of schedules of shape (1,); W is divided by alpha, which changes no row's comparison."""
        directions, variances = self.wiener.directions, self.wiener.variances
        filtered = (directions * (variances / (alpha.square() * variances + sigma.square()))) @ directions.T
        return (filtered.abs() >= self.threshold * filtered.diagonal()[:, None]).double()

    def _mean(self, x, alpha, sigma):
        """Return D at points of one time, shape (b, 1, d, 1)."""
        if self._rows is None:
            self._rows = ImageRows(self.training_set, (1, x.shape[2], 1), self.memory, self.device, self._block_rows)
        mask, state = self._mask(alpha[:1], sigma[:1]), PixelSoftmax(len(x), self._rows.shape, x.device)
        scale, scratch = -0.5 / sigma[0].square(), Scratch(x.device, x.dtype)
        for images in self._rows:
            for queries in self._rows.queries(len(x), images.shape[-1]):
                squares = squared_differences(x[queries], alpha[queries], images, scratch)[:, :, 0]
                state.add(queries, torch.matmul(mask, squares).mul_(scale)[:, :, None], images)
        return state.mean()

    def _use_less(self):
        self._rows = None
        self.memory //= 2
        self._block_rows = self._block_rows and max(1, self._block_rows // 2)

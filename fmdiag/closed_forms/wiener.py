"""Wiener field: the best linear denoiser, exact for Gaussian data with the training set's mean and covariance.

For x1 ~ N(mu, U Lambda U^T) and x_t = alpha x1 + sigma x0,

    D(x, t) = mu + U diag(alpha Lambda / (alpha^2 Lambda + sigma^2)) U^T (x - alpha mu),

and its flow from time s to t is linear in every eigenvector,

    U^T (x_t - alpha_t mu) = sqrt(S_t / S_s) U^T (x_s - alpha_s mu),       S_t = alpha_t^2 Lambda + sigma_t^2.

No training example has a say of its own: what the field does, the first two moments explain. Directions without
variance are dealt with through their eigenvalue 0, so that fewer examples than coordinates are no special case.

References
----------
Wiener, "Extrapolation, Interpolation, and Smoothing of Stationary Time Series", 1949 (the filter).
Wang, Vastola, "The Unreasonable Effectiveness of Gaussian Score Approximation for Diffusion Models and its
Applications", arXiv 2412.09726, section 3 (as a theory of diffusion models, with the flow).
"""

import torch

from fmdiag.closed_forms.base import ClosedForm
from fmdiag.errors import FmdiagError
from fmdiag.paths import times_like

BLOCK_BYTES = 1 << 26   # of training rows, float64
COPIES = 4              # of the matrix that the eigenvalues are found from
NO_VARIANCE = 1e-14     # of the largest eigenvalue, per row and column of that matrix


class WienerField(ClosedForm):
    """The field of N(mu, Sigma) with the mean and covariance of a training set; callable as v(x, t).

    Parameters
    ----------
    training_set, path, memory, device
        As in `ClosedForm`.
    rank : int, optional
        Number of directions of largest variance that are kept, as if the data had none in others; default all.

    Attributes
    ----------
    center : Tensor, shape (d,)
        mu, float64.
    directions : Tensor, shape (d, r)
        U, the eigenvectors with variance, orthonormal.
    variances : Tensor, shape (r,)
        Lambda, descending, squared units of the model range, divided by n; all positive.

    Raises
    ------
    FmdiagError
        If rank is not in [1, d], or neither the covariance nor the products of all pairs of rows fit into `memory`.
    """

    def __init__(self, training_set, path=None, *, memory=None, device="cpu", rank=None):
        super().__init__(training_set, path, memory=memory, device=device)
        dim = self.training_set.dim
        if rank is not None and not (isinstance(rank, int) and 1 <= rank <= dim):
            raise FmdiagError(f"rank must be a whole number from 1 to {dim}, the dimensions of "
                              f"{self.training_set.name}, got {rank}")
        self.settings = {} if rank is None else {"rank": rank}
        self.center = sum(block.sum(0) for block in self._blocks()) / self.training_set.n
        values, vectors = self._by_rows() if self._fewer_rows() else self._by_coordinates()
        # eigh is backward stable: what is 0 comes out below a small multiple of the largest, LAPACK Users' Guide 4.7.
        kept = torch.nonzero(values > NO_VARIANCE * max(len(values), 1) * values.max().clamp(min=0)).reshape(-1)[:rank]
        self.variances, self.directions = values[kept], vectors(kept)

    def denoised(self, x, t, alpha, sigma):
        """Return D at points of shape (b, *shape); see `ClosedForm`."""
        centred = x.flatten(1) - alpha[:, None] * self.center
        gain = alpha[:, None] * self.variances / (alpha[:, None].square() * self.variances + sigma[:, None].square())
        return (self.center + (gain * (centred @ self.directions)) @ self.directions.T).reshape(x.shape)

    def flow(self, x, start, stop):
        """Return where the field carries x, shape (b, *shape), from times `start` to `stop`, exactly; float64.

        Parameters
        ----------
        x : Tensor, shape (b, *shape)
            States at `start`.
        start, stop : float or Tensor, shape (b,)
            Times in [0, 1], `start` with sigma > 0; at `stop` = 1 directions without variance are at their mean.
        """
        self._check(x)
        points = x.to(self.device, torch.float64)
        (alpha, sigma), (alpha_stop, sigma_stop) = self._schedule(times_like(start, points)), self._at(stop, points)
        centred = points.flatten(1) - alpha[:, None] * self.center
        inside = centred @ self.directions
        spread, spread_stop = (a[:, None].square() * self.variances + s[:, None].square()
                               for a, s in ((alpha, sigma), (alpha_stop, sigma_stop)))
        outside = (centred - inside @ self.directions.T) * (sigma_stop / sigma)[:, None]
        moved = (inside * (spread_stop / spread).sqrt()) @ self.directions.T + outside
        return (alpha_stop[:, None] * self.center + moved).reshape(x.shape).to(x.device)

    def _at(self, t, x):
        t = times_like(t, x)
        return self.path.alpha(t), self.path.sigma(t)

    def _blocks(self):
        size = max(1, BLOCK_BYTES // (8 * self.training_set.dim))
        for _, block in self.training_set.blocks(size, device=self.device):
            yield block.double()

    def _fewer_rows(self):
        """Return whether the n x n products are the smaller way; raise FmdiagError where neither fits."""
        n, dim = self.training_set.n, self.training_set.dim
        needed = COPIES * 8 * min(n, dim) ** 2
        if needed > self.memory:
            raise FmdiagError(f"the covariance of {n} rows of {dim} values needs {needed / 1e9:.2g} GB, and "
                              f"{self.memory / 1e9:.2g} GB may be used: give more memory, or fewer rows")
        # The rows themselves must be kept for the second way.
        return n < dim and (COPIES * n + dim) * 8 * n <= self.memory

    def _by_coordinates(self):
        """Return the eigenvalues of the covariance, descending, and a function that gives some eigenvectors."""
        covariance = torch.zeros(2 * (self.training_set.dim,), dtype=torch.float64, device=self.device)
        for block in self._blocks():
            centred = block - self.center
            covariance.addmm_(centred.T, centred)
        values, vectors = torch.linalg.eigh(covariance / self.training_set.n)
        return values.flip(0), lambda kept: vectors.flip(1)[:, kept]

    def _by_rows(self):
        """Return the same from the rows' inner products: X X^T w = n lambda w gives u = X^T w / sqrt(n lambda)."""
        rows = torch.cat(list(self._blocks())) - self.center
        _, singular, vectors = torch.linalg.svd(rows, full_matrices=False)
        return singular.square() / len(rows), lambda kept: vectors[kept].T

"""Top eigenvalue of the Jacobian of û*'s posterior mean, from the covariance of the posterior over training rows.

    dD*/dx = (alpha / sigma²) Cov_lambda[X],    Cov_lambda = sum_i lambda_i (X_i - D)(X_i - D)^T

symmetric and without negative eigenvalues. The rows that have weight give it exactly, by their Gram matrix or by the
covariance itself; where both would be large, power iteration over all rows does.
"""

import torch

from fmdiag.diagnostics.symmetry.power import BLOCK, top_eigenvalues
from fmdiag.posterior.coordinates import BLOCK_ROWS, NEGLIGIBLE, log_weights

SIDE = 1024          # of a matrix whose eigenvalues are computed
MOST = 60            # products: the covariance's gaps may be small
TOLERANCE = 1e-3     # of its residuals: a symmetric matrix's eigenvalue is known to their square over the gap
BYTES = 1 << 28      # of the rows with weight


def top_eigenvalue(u_star, x, t):
    """Return (eigenvalues, residuals) of dD*/dx at points x, float64 of shape (b,), and one time t.

    Parameters
    ----------
    u_star : ClosedFormField
    x : Tensor, shape (b, *shape)
    t : float

    Returns
    -------
    Tensor of shape (b,), Tensor of shape (b,)
        The residual is 0 where the rows gave the value exactly.
    """
    points, training_set = x.flatten(1).double().cpu(), u_star.training_set
    alpha, sigma = (float(part) for part in u_star.posterior.schedule(torch.tensor([t], dtype=torch.float64)))
    logs = log_weights(training_set, points, alpha, sigma)
    values, residuals = torch.zeros(2, len(points), dtype=torch.float64)
    large = []
    for b, point in enumerate(points):
        kept = torch.nonzero(logs[b] > logs[b].max() + torch.log(torch.tensor(NEGLIGIBLE))).flatten()
        if min(len(kept), training_set.dim) <= SIDE and 8 * len(kept) * training_set.dim <= BYTES:
            values[b] = _of_rows(training_set[kept.numpy()].flatten(1).double(), point, alpha, sigma)
        else:
            large.append(b)
    if large:
        weights = torch.softmax(logs[large], 1)
        start = torch.randn(len(large), BLOCK, training_set.dim, dtype=torch.float64,
                            generator=torch.Generator().manual_seed(0))
        values[large], residuals[large], _ = top_eigenvalues(lambda u: _covariance(training_set, weights, u), start,
                                                                 tolerance=TOLERANCE, most=MOST)
    factor = alpha / sigma**2
    return factor * values, factor * residuals


def _of_rows(rows, point, alpha, sigma):
    """Return the top eigenvalue of the covariance of rows under their weights at a point, these by differences."""
    weights = torch.softmax(-(point - alpha * rows).square().sum(1) / (2 * sigma**2), 0)
    centred = weights.sqrt()[:, None] * (rows - weights @ rows)
    matrix = centred @ centred.T if len(rows) < rows.shape[1] else centred.T @ centred
    return torch.linalg.eigvalsh(matrix)[-1].clamp(min=0)


def _covariance(training_set, weights, u):
    """Return Cov_lambda times vectors, u of shape (b, k, dim), from a pass over all rows."""
    total = torch.zeros_like(u)
    mean = torch.zeros(len(u), u.shape[2], dtype=torch.float64)
    for first, rows in training_set.blocks(max(1, BLOCK_ROWS // training_set.dim)):
        rows, own = rows.double(), weights[:, first:first + len(rows)]
        mean += own @ rows
        total += ((u @ rows.T) * own[:, None]) @ rows
    return total - (u @ mean[:, :, None]) * mean[:, None]

"""Power iteration: the top eigenvalue of linear maps that are known by their products with vectors only.

A block of k vectors per map is multiplied and made orthonormal again, Q <- qr(J Q); of the k eigenvalues of Q^T J Q the
one with the largest real part is returned, with the residual ||J y - theta y|| / ||y|| of its vector. A symmetric J has
an eigenvalue within the residual of theta, and theta's own error is of the order of the residual's square.

References
----------
Saad 2011, "Numerical Methods for Large Eigenvalue Problems", algorithm 5.2 (subspace iteration with projection).
"""

import torch

BLOCK = 4
TOLERANCE = 1e-2
MOST = 20


def top_eigenvalues(product, start, *, tolerance=TOLERANCE, most=MOST):
    """Return the eigenvalues with the largest real part that power iteration finds.

    Parameters
    ----------
    product : callable
        Tensor of shape (b, k, dim) -> J_b times each of its k vectors, of the same shape.
    start : Tensor, float64, shape (b, k, dim)
        First vectors, k <= dim.
    tolerance : float
        Iteration of a map ends where its residual is below this times the largest of 1 and the eigenvalue.
    most : int
        Products at most.

    Returns
    -------
    Tensor of shape (b,), Tensor of shape (b,), Tensor of shape (b, k, dim)
        Real parts (NaN where products are not finite), residuals, and the last block, to start from nearby.
    """
    block = _orthonormal(start)
    for _ in range(most):
        image = product(block)
        unknown = ~torch.isfinite(image).flatten(1).all(1)
        image = torch.where(unknown[:, None, None], 0, image)
        values, residuals = _ritz(block, image)
        settled = residuals <= tolerance * values.abs().clamp(min=1.0)
        if bool(settled.all()):
            break
        # One that is settled waits for the others as it is: what is found does not depend on whom it is found with.
        block = torch.where(settled[:, None, None], block, _orthonormal(image))
    return values.masked_fill(unknown, torch.nan), residuals, block


def _ritz(block, image):
    """Return (real part, residual) of the eigenvalue of the projected map with the largest real part, shape (b,)."""
    found, vectors = torch.linalg.eig(block @ image.mT)   # entry (i, j) = <q_i, J q_j>
    top = found.real.argmax(1)
    value = found.gather(1, top[:, None])
    y = vectors.gather(2, top[:, None, None].expand(-1, len(vectors[0]), 1))[:, :, 0]
    vector, mapped = (torch.einsum("bk,bkd->bd", y, part.to(y.dtype)) for part in (block, image))
    return value[:, 0].real, (mapped - value * vector).norm(dim=1) / vector.norm(dim=1)


def _orthonormal(block):
    """Return orthonormal rows that span those of each block; of a map that sends all to 0, some rows are arbitrary."""
    return torch.linalg.qr(block.mT)[0].mT

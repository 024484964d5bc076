"""PCA feature: images in the directions in which training images differ most.

    phi(x) = W (x - mean),   W: the k leading eigenvectors of the covariance of the training rows, flips counted

W is found in float64 from one pass over the rows in blocks (the d x d covariance), or from several where d is so large
that the covariance would not fit: block power iteration, V <- orth(C V) with C V computed from blocks, from a seeded
start, until every explained variance has settled to 1e-7. A sign is fixed (the largest entry of a direction is
positive), so that vectors, not only distances, come out alike.

References
----------
Meehan, Chaudhuri, Dasgupta 2020 (PCA of 64 dimensions before the copying test). Halko, Martinsson, Tropp 2011,
SIAM Review 53, section 4.5 (power iteration).
"""

import numpy as np
import scipy.linalg
import torch

from fmdiag.errors import FmdiagError
from fmdiag.features.feature import Feature

N_COMPONENTS = 64
BLOCK_BYTES = 1 << 26  # of training rows, float64
LARGEST_COVARIANCE = 4096
EXTRA, MOST_PASSES, SETTLED = 16, 60, 1e-7


def load(*, training_set=None, n_components=None):
    """Return the Feature fitted on a training set.

    Parameters
    ----------
    training_set : TrainingSet
        What the directions are fitted on.
    n_components : int, optional
        Default 64, or as many as there are.

    Raises
    ------
    FmdiagError
        If there is no training set, or it has fewer directions than asked for.
    """
    if training_set is None:
        raise FmdiagError("feature pca is fitted on the training examples: give training_set")
    most = min(training_set.dim, training_set.n)
    if n_components is not None and not 1 <= n_components <= most:
        raise FmdiagError(f"pca: n_components must be in [1, {most}], the dimensions and rows of {training_set.name}, "
                          f"got {n_components}")
    k = n_components or min(N_COMPONENTS, most)
    mean, directions, variances, total = fit(training_set, k)
    projection = torch.from_numpy(directions)
    share = float(variances.sum() / total) if total > 0 else 1.0
    return Feature("pca", lambda x: (x.reshape(len(x), -1).double().cpu() - mean) @ projection, dim=k, batch_size=4096,
                   transform={"n_components": k, "fitted_on": training_set.fingerprint},
                   facts={"explained_variance": round(share, 6)})


def fit(training_set, k):
    """Return (mean, shape (d,), Tensor; directions, shape (d, k); variances, shape (k,); total variance), float64."""
    mean = sum(block.sum(0) for block in _blocks(training_set)) / training_set.n
    covariance = training_set.dim <= LARGEST_COVARIANCE
    directions, variances, total = (_eigen if covariance else _power_iteration)(training_set, mean, k)
    largest = np.abs(directions).argmax(0)
    signs = np.sign(directions[largest, np.arange(k)])
    return mean, np.ascontiguousarray(directions * np.where(signs == 0, 1, signs)), np.maximum(variances, 0), total


def _blocks(training_set):
    for _, block in training_set.blocks(max(1, BLOCK_BYTES // (8 * training_set.dim))):
        yield block.double()


def _eigen(training_set, mean, k):
    """Return (directions, variances, total variance) from the covariance itself."""
    d = training_set.dim
    covariance = torch.zeros(d, d, dtype=torch.float64)
    for block in _blocks(training_set):
        centred = block - mean
        covariance.addmm_(centred.T, centred)
    covariance = (covariance / training_set.n).numpy()
    values, vectors = scipy.linalg.eigh(covariance, subset_by_index=(d - k, d - 1))
    return vectors[:, ::-1], values[::-1], float(np.trace(covariance))


def _power_iteration(training_set, mean, k):
    """Return (directions, variances, total variance) from passes over the rows."""
    width = min(k + EXTRA, training_set.dim, training_set.n)
    start = torch.randn(training_set.dim, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    basis, before = torch.linalg.qr(start).Q, None
    for _ in range(MOST_PASSES):
        product, total = torch.zeros_like(basis), 0.0
        for block in _blocks(training_set):
            centred = block - mean
            product.addmm_(centred.T, centred @ basis)
            total += float(centred.square().sum())
        # Rayleigh-Ritz: the best directions within the basis, ascending in the eigenvalue.
        values, rotation = np.linalg.eigh(((basis.T @ product + product.T @ basis) / (2 * training_set.n)).numpy())
        values = values[::-1][:k]
        ritz = (basis @ torch.from_numpy(rotation))[:, -k:].flip(1).numpy()
        if before is not None and np.abs(values - before).max() <= SETTLED * values[0]:
            break
        basis, before = torch.linalg.qr(product).Q, values
    return ritz, values, total / training_set.n

"""In which space are sets compared? A name or a feature becomes a feature; images become vectors, batch by batch.

``pca``: the first 64 principal components of the training rows' pixels, phi(x) = V' (x - mean): distances in it are
Euclidean distances of pixels without what is noise to most images, and 64 dimensions need a few hundred rows only.
"""

import numpy as np
import torch

from fmdiag import features
from fmdiag.errors import check_choice

COMPONENTS = 64
BATCH = 1024


def feature_space(feature, training_set, *, device="cpu"):
    """Return a feature with a `name`: itself if it is one, else the one of that name.

    Raises
    ------
    FmdiagError
        If the name is unknown.
    """
    if callable(feature):
        return feature
    check_choice("feature", feature, {*features.FEATURES, "pca"})
    if hasattr(features, "load_feature"):
        return features.load_feature(feature, training_set=training_set, device=device)
    return features.FEATURES.get(feature) or PrincipalComponents(training_set, device=device)


def embed(images, feature):
    """Return the features of images, a Tensor or ndarray of shape (n, *shape): float32, shape (n, dim)."""
    images = torch.as_tensor(np.asarray(images) if not isinstance(images, torch.Tensor) else images).float()
    return torch.cat([feature(part).cpu() for part in images.split(BATCH)]).numpy()


class PrincipalComponents:
    """The feature ``pca``: projection on the training set's leading principal components.

    Parameters
    ----------
    training_set : TrainingSet
        Read twice, block by block; its covariance, dim x dim in float64, must fit into memory.
    n_components : int
        At most dim are kept.
    """

    name = "pca"

    def __init__(self, training_set, n_components=COMPONENTS, *, device="cpu"):
        dim, n = training_set.dim, training_set.n
        total, second = torch.zeros(dim, dtype=torch.float64), torch.zeros(dim, dim, dtype=torch.float64)
        for _, block in training_set.blocks(BATCH, device=device):
            total += block.reshape(len(block), -1).double().sum(0).cpu()
        self.mean = total / n
        for _, block in training_set.blocks(BATCH, device=device):
            centred = block.reshape(len(block), -1).double().cpu() - self.mean
            second += centred.T @ centred
        self.vectors = torch.linalg.eigh(second).eigenvectors[:, -n_components:].flip(1)

    def __call__(self, images):
        """Return the components of images, Tensor of shape (b, *shape): float32, shape (b, k), largest first."""
        return ((images.reshape(len(images), -1).double() - self.mean) @ self.vectors).float()

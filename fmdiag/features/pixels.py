"""Pixel feature: images compared coordinate by coordinate.

The feature is the image itself, flattened: phi(x) = x. Distances are Euclidean in model range. Pixels see exact copies
and copies with noise; they do not see shifted, cropped or recoloured ones.
"""

from fmdiag.features.feature import Feature


def load(*, training_set=None):
    """Return the Feature that flattens; of any data."""
    return Feature("pixels", _flatten, dim=None if training_set is None else training_set.dim, identity=True,
                   batch_size=4096)


def _flatten(images):
    return images.reshape(len(images), -1)

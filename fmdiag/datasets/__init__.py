"""Data sets: the finite set of points that a model was trained on."""

from fmdiag.datasets.adapt import as_training_set
from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.datasets.load import is_fraction, load_dataset
from fmdiag.datasets.points import as_points
from fmdiag.datasets.subsample import subsample
from fmdiag.datasets.training_set import TrainingSet

__all__ = ["TrainingSet", "as_points", "as_training_set", "duplicate_groups", "is_fraction", "load_dataset",
           "subsample"]

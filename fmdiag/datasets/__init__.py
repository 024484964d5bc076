"""Data sets: the finite set of points that a model was trained on."""

from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.datasets.load import load_dataset
from fmdiag.datasets.subsample import subsample
from fmdiag.datasets.training_set import TrainingSet

__all__ = ["TrainingSet", "duplicate_groups", "load_dataset", "subsample"]

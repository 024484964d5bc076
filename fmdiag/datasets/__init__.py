"""Data sets: the finite set of points that a model was trained on."""

from fmdiag.datasets.load import load_dataset
from fmdiag.datasets.training_set import TrainingSet

__all__ = ["TrainingSet", "load_dataset"]

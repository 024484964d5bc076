"""Adapter of what stands for a training set: arrays, names, paths and PyTorch data sets become a `TrainingSet`."""

from fmdiag.datasets.load import load_dataset
from fmdiag.datasets.training_set import TrainingSet


def as_training_set(value):
    """Return a TrainingSet as it is, and one of anything else that `load_dataset` reads.

    Parameters
    ----------
    value : TrainingSet, ndarray, Tensor, torch Dataset, str or Path
        Floats are in model range; uint8 is pictures of 8 bits, which become -1 to 1.

    Raises
    ------
    FmdiagError
        If it is none of these.
    """
    return value if isinstance(value, TrainingSet) else load_dataset(value)

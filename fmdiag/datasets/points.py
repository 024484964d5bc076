"""Arrays that a caller hands over, samples and noise, as tensors: converted where nothing is lost, else refused.

Whatever holds real numbers is taken: tensors of any float or integer dtype, strides, device or gradient, numpy arrays
(read-only, reversed, in Fortran order), lists, training sets. The caller's array is never written to.
"""

from collections.abc import Sequence

import numpy as np
import torch

from fmdiag.datasets.training_set import TrainingSet
from fmdiag.errors import FmdiagError

EXACT = 2**24    # integers up to here are float32 numbers


def as_points(values, what="sample"):
    """Return what a caller gave as a detached tensor of float32 or float64 where it is; at most a view of the input.

    Parameters
    ----------
    values : Tensor, ndarray, sequence of these or of numbers, or TrainingSet
        Shape (n, *shape).
    what : str
        What one of them is, for messages.

    Raises
    ------
    FmdiagError
        If it is no array of real numbers, has no values (meta), or is empty.

    Examples
    --------
    >>> as_points([[1, 2], [3, 4]]).dtype
    torch.float32
    """
    if isinstance(values, TrainingSet):
        values = values[:]
    array = values if isinstance(values, torch.Tensor) else _from_other(values, what)
    if array.dtype.is_complex:
        raise FmdiagError(f"each {what} must hold real numbers, got {_name(array)}: give the real part")
    if array.is_meta:
        raise FmdiagError(f"each {what} must hold values, got a tensor on the device meta, which has none")
    if array.ndim == 0 or array.numel() == 0:
        raise FmdiagError(f"no {what} was given, got shape {tuple(array.shape)}: at least one is needed")
    array = array.detach()
    array = array.to_dense() if array.layout != torch.strided else array.resolve_neg()
    if array.dtype in (torch.float32, torch.float64):
        return array
    try:
        return array.to(_lossless(array))
    except RuntimeError as error:
        raise FmdiagError(f"each {what} must hold real numbers, got {_name(array)}") from error


def _lossless(array):
    """Return the dtype, float32 where it suffices, that holds an array's numbers."""
    if array.dtype.is_floating_point or array.dtype in (torch.bool, torch.uint8, torch.int8, torch.int16):
        return torch.float32
    least, greatest = array.aminmax()
    return torch.float32 if -EXACT <= least.item() and greatest.item() <= EXACT else torch.float64


def _from_other(values, what):
    """Return a tensor of something that is none: an array, or whatever numpy makes one of."""
    if isinstance(values, Sequence) and len(values) and all(isinstance(v, torch.Tensor) for v in values):
        if len({v.shape for v in values}) > 1:
            raise FmdiagError(f"each {what} must have one shape, got a list of tensors of different shapes")
        return torch.stack([v.detach().cpu() for v in values])
    if np.ma.isMaskedArray(values) and np.ma.is_masked(values):
        raise FmdiagError(f"each {what} must be complete, got an array with {np.ma.count_masked(values)} masked values")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise FmdiagError(f"each {what} must be part of one array of numbers, got a {type(values).__name__} "
                          f"({str(error).splitlines()[0][:80]})") from error
    if array.dtype.kind not in "fiubc":
        raise FmdiagError(f"each {what} must hold numbers, got a {type(values).__name__} ({array.dtype}): give an "
                          "array of floats")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:   # torch computes little with these
        array = array.astype(np.float64 if array.dtype.itemsize > 2 else np.int32)
    array = np.require(array, dtype=array.dtype.newbyteorder("="), requirements="W")   # torch takes no others
    return torch.from_numpy(array.copy() if any(step < 0 for step in array.strides) else array)


def _name(array):
    return str(array.dtype).removeprefix("torch.")

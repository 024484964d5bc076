"""What a velocity field returned, read as one velocity per sample: a tensor like x, or an error that says why not."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch

from fmdiag.errors import FmdiagError


def as_velocity(found, x, name="field", kind="field"):
    """Return a field's answer as a new tensor in the shape, dtype and device of x.

    Parameters
    ----------
    found : Tensor, ndarray, or a container of one of them
        What the field returned: also an object with ``.sample``, or a tuple, list, dict or dataclass with one array.
    x : Tensor, shape (b, *shape)
        What it was asked about.
    name : str
        Of the field, for messages.
    kind : str
        What it is, for messages: ``"field"`` or ``"sampler"``.

    Raises
    ------
    FmdiagError
        If there is no array or more than one, it is not of real floating-point numbers, holds no values (meta), or has
        another shape than x.
    """
    return torch.empty_like(x, memory_format=torch.contiguous_format).copy_(read_velocity(found, x, name, kind))


def read_velocity(found, x, name="field", kind="field"):
    """Return the tensor in a field's answer, checked but neither copied nor converted; parameters as above."""
    name = f"{kind} {name}"
    velocity = _tensor(_single(found, name), name)
    if velocity.shape != x.shape:
        same = velocity.numel() == x.numel() and velocity.shape[:1] == x.shape[:1]
        what = "velocity" if kind == "field" else "end point"
        hint = "reshape it to x.shape" if same else f"one {what} per sample is needed, in the shape of x"
        raise FmdiagError(f"the {name} returned shape {tuple(velocity.shape)} for x of shape {tuple(x.shape)}: "
                          f"{hint}")
    return velocity


def _single(found, name):
    """Return the one array in an answer."""
    if isinstance(found, (torch.Tensor, np.ndarray)):
        return found
    if isinstance(getattr(found, "sample", None), (torch.Tensor, np.ndarray)):
        return found.sample
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        parts = [getattr(found, one.name) for one in dataclasses.fields(found)]
    elif isinstance(found, Mapping):
        parts = list(found.values())
    elif isinstance(found, (tuple, list)):
        parts = list(found)
    elif hasattr(found, "__array__") and not isinstance(found, np.generic):
        return np.asarray(found)
    else:
        received = "None: is its return missing?" if found is None else f"a {type(found).__name__}, not a tensor"
        raise FmdiagError(f"the {name} returned {received}")
    arrays = [part for part in parts if isinstance(part, (torch.Tensor, np.ndarray))]
    if len(arrays) != 1:
        raise FmdiagError(f"the {name} returned a {type(found).__name__} with {len(arrays)} tensors: return the "
                          "velocity alone, e.g. lambda x, t: field(x, t)[0]")
    return arrays[0]


def _tensor(array, name):
    """Return an array as a tensor of real floating-point numbers."""
    if isinstance(array, np.ndarray):
        if array.dtype.kind not in "fiubc":
            raise FmdiagError(f"the {name} returned an array of {array.dtype}: return floating-point numbers")
        array = torch.from_numpy(np.array(array, dtype="f8" if array.dtype.kind == "f" else None, order="C"))
    if not array.dtype.is_floating_point:
        kind = str(array.dtype).removeprefix("torch.")
        hint = "its real part" if array.dtype.is_complex else "floating-point numbers"
        raise FmdiagError(f"the {name} returned {kind} values: return {hint}")
    if array.is_meta:
        raise FmdiagError(f"the {name} returned a tensor on the device meta, which holds no values: load the "
                          "network's weights on a real device")
    return array.to_dense() if array.layout != torch.strided else array

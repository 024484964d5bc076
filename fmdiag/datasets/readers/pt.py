"""Rows of a file that ``torch.save`` wrote: a tensor, a dict of tensors (see `keys`), or a pair (rows, labels).

Read with ``weights_only=True``: a file that wants to run code is refused. Tensors are memory-mapped where the file's
format allows.
"""

import pickle
import warnings
from functools import partial

import numpy as np
import torch

from fmdiag.datasets.readers import keys
from fmdiag.datasets.source import Part
from fmdiag.errors import FmdiagError


def read(path, reading):
    """Return the parts of a ``.pt`` or ``.pth`` file.

    Raises
    ------
    FmdiagError
        If the file is damaged, holds more than tensors, or no tensor is recognisably the rows.
    """
    content = _content(path)
    if isinstance(content, torch.Tensor):
        return {"all": partial(Part, as_array(content))}
    if isinstance(content, (tuple, list)) and len(content) == 2 and all(map(torch.is_tensor, content)):
        return {"all": partial(Part, as_array(content[0]), keys.as_labels(as_array(content[1])))}
    if isinstance(content, dict):
        tensors = {name: as_array(value) for name, value in content.items() if isinstance(value, torch.Tensor)}
        return keys.parts(list(tensors), tensors.__getitem__, path)
    raise FmdiagError(f"{path}: holds a {type(content).__name__}; save a tensor of shape (n, ...), or a dict of them")


def _content(path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on the pickle's protocol: what cannot be read is refused anyway
            return _torch_load(path)
    except pickle.UnpicklingError as error:
        raise FmdiagError(f"{path}: holds more than tensors, and reading it could run code: refused; save the tensor "
                          "alone with torch.save") from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise FmdiagError(f"{path}: truncated or not a file of torch.save; copy or save it again") from error


def _torch_load(path):
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:
        # Files of the format before torch 1.6 cannot be mapped.
        return torch.load(path, map_location="cpu", weights_only=True)


def as_array(tensor):
    """Return a tensor as an ndarray without a copy; bfloat16, which NumPy lacks, becomes float32."""
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    array = tensor.float().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
    return np.atleast_1d(array)

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
from fmdiag.errors import FmdiagError, names_one_of
from fmdiag.files.names import spelt
from fmdiag.files.torch_zip import check_records


def read(path, reading):
    """Return the parts of a ``.pt`` or ``.pth`` file.

    Raises
    ------
    FmdiagError
        If the file is damaged, holds more than tensors, or no tensor is recognisably the rows.
    """
    content = _content(path)
    try:
        return _parts(content, path)
    except FmdiagError as error:
        if names_one_of(error, path):
            raise
        raise FmdiagError(f"{path}: {error}") from error


def _parts(content, path):
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
    except FmdiagError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        # Damaged pickles raise whatever their bytes ask for.
        raise FmdiagError(f"{path}: truncated or not a file of torch.save; copy or save it again") from error


def _torch_load(path):
    stored = check_records(path)
    try:
        with spelt(path) as name:
            content = torch.load(name, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:
        # Files of the format before torch 1.6 cannot be mapped, and are refused where a tensor is not all there.
        return torch.load(path, map_location="cpu", weights_only=True)
    _check_lengths(content, stored, path)
    return content


def _check_lengths(content, stored, path):
    """Refuse a mapped file whose tensors reach beyond their own bytes: torch would read what lies behind them."""
    values = content.values() if isinstance(content, dict) else content if isinstance(content, (list, tuple)) else [
        content]
    for tensor in values:
        if isinstance(tensor, torch.Tensor) and tensor.layout is torch.strided and not tensor.is_meta and (
                tensor.untyped_storage().nbytes() not in stored | {0}):
            raise FmdiagError(f"{path}: damaged: a tensor does not have the length of its data; copy or save it again")


def as_array(tensor):
    """Return a tensor as an ndarray without a copy; bfloat16, which NumPy lacks, becomes float32."""
    if tensor.is_meta or tensor.is_quantized or tensor.layout is not torch.strided:
        kind = "quantised" if tensor.is_quantized else "without data or sparse"
        raise FmdiagError(f"a tensor is {kind}: save it dense, as numbers")
    if tensor.nbytes > tensor.untyped_storage().nbytes():
        # A few bytes that stand for any number of rows: reading them would never end.
        raise FmdiagError(f"a tensor of shape {tuple(tensor.shape)} repeats {tensor.untyped_storage().nbytes()} bytes: "
                          "save tensor.contiguous()")
    tensor = tensor.detach().resolve_conj().resolve_neg()
    try:
        array = tensor.float().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
    except (TypeError, RuntimeError) as error:
        raise FmdiagError(f"a tensor of dtype {tensor.dtype} is none that NumPy has: save float32 or uint8") from error
    return np.atleast_1d(array)

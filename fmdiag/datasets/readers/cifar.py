"""Rows of CIFAR-10's Python version: a folder with ``data_batch_1`` … ``data_batch_5`` and ``test_batch``.

Each file is a pickle of ``{b"data": uint8 (10000, 3072), b"labels": list}`` (Krizhevsky, "Learning multiple layers of
features from tiny images", 2009). Pickles can run code; this reader builds arrays, lists, strings and numbers, and
refuses everything else.
"""

import pickle
import warnings
from functools import partial
from pathlib import Path

import numpy as np

from fmdiag.datasets.source import Part
from fmdiag.errors import FmdiagError

SHAPE = (3, 32, 32)
ARRAY_MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric",
                 "numpy._core.numeric")


def is_folder(folder):
    """Whether a folder holds CIFAR-10's batches."""
    return (Path(folder) / "data_batch_1").is_file()


def read(folder, reading):
    """Return the train and test parts of a folder of batches; the test part is missing without ``test_batch``."""
    folder = Path(folder)
    batches = sorted(folder.glob("data_batch_[0-9]"))
    parts = {"train": partial(_part, batches)}
    if (folder / "test_batch").is_file():
        parts["test"] = partial(_part, [folder / "test_batch"])
    return parts


def _part(paths):
    batches = [load_batch(path) for path in paths]
    rows, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return Part(rows.reshape(-1, *SHAPE), labels)


def load_batch(path):
    """Return (rows, uint8, shape (n, 3072); labels, int64, shape (n,)) of one batch file.

    Raises
    ------
    FmdiagError
        If the file is truncated, is no batch, or wants to run code.
    """
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy 2 remarks on dtypes pickled by NumPy 1
            batch = _ArraysOnly(file, encoding="bytes").load()
            batch = {_text(key): value.real() if isinstance(value, _Array) else value for key, value in batch.items()}
    except _RefusedError as error:
        raise FmdiagError(f"{path}: wants to run {error}, which no CIFAR-10 batch needs: refused") from error
    except Exception as error:
        # A damaged pickle raises whatever its bytes happen to ask for.
        raise FmdiagError(f"{path}: truncated or not a CIFAR-10 batch; unpack the archive again") from error
    rows, labels = batch.get("data"), _numbers(batch.get("labels", ()))
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape != (len(labels), int(np.prod(SHAPE))):
        raise FmdiagError(f"{path}: not a CIFAR-10 batch: expected data of shape (n, 3072), uint8, and n labels")
    return rows, labels.astype(np.int64)


def _numbers(values):
    """Return labels as an array of whole numbers, shape (n,); of length 0 where they are something else."""
    try:
        labels = np.asarray(values)
        return labels.astype(np.int64) if labels.ndim == 1 and labels.dtype.kind in "iu" else np.zeros(0, np.int64)
    except (ValueError, TypeError, OverflowError):
        return np.zeros(0, np.int64)


class _RefusedError(Exception):
    """What the pickle asked for."""


class _ArraysOnly(pickle._Unpickler):
    """Builds plain values and notes of arrays; any other class or function is refused before it is looked up.

    Python's own unpickler: the one in C makes room for whatever number a memo is given. NumPy's arrays and dtypes are
    stood in for, since the state that a file gives them can crash the process.
    """

    def find_class(self, module, name):
        """Return the stand-in of one of NumPy's array constructors."""
        if module in ARRAY_MODULES and name == "_reconstruct":
            return lambda *arguments: _Array()
        if module in ARRAY_MODULES and name == "_frombuffer":
            return lambda buffer, dtype, shape, order: _Array((1, shape, dtype, order == "F", buffer))
        if module == "numpy" and name in ("ndarray", "dtype"):
            return _Dtype if name == "dtype" else None
        if (module, name) == ("_codecs", "encode"):
            return _encode
        raise _RefusedError(f"{module}.{name}")


class _Dtype:
    """Stands for a dtype: its kind and size, and the byte order that its state gives."""

    def __init__(self, name, *copying):
        self.name, self.order = _text(name), "="

    def __setstate__(self, state):
        self.order = _text(state[1])

    def real(self):
        dtype = np.dtype(self.name)
        return dtype.newbyteorder(self.order if self.order in "<>" else "=")


class _Array:
    """Stands for an array until all of its state has been read."""

    def __init__(self, state=None):
        self.state = state

    def __setstate__(self, state):
        self.state = state

    def real(self):
        """Return the array, of numbers only, if its bytes are as many as its shape asks for."""
        _, shape, dtype, fortran, data = self.state
        dtype = dtype.real()
        if dtype.kind not in "iu":
            raise ValueError(f"an array of {dtype}")
        return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _encode(text, encoding="latin1"):
    # Protocol 2 writes bytes as latin-1 text.
    return _text(text).encode("latin1")


def _text(value):
    return value.decode("latin1") if isinstance(value, bytes) else str(value)

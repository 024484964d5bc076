"""Rows of a ``.safetensors`` file; which tensor is which: `keys`."""

from functools import partial

from safetensors import SafetensorError, safe_open

from fmdiag.datasets.readers import keys
from fmdiag.datasets.readers.pt import as_array
from fmdiag.errors import FmdiagError
from fmdiag.files.names import spelt


def read(path, reading):
    """Return the parts of a safetensors file.

    Raises
    ------
    FmdiagError
        If the file is damaged or no tensor is recognisably the rows.
    """
    try:
        with spelt(path) as name, safe_open(name, framework="pt") as file:
            names = list(file.keys())
    except SafetensorError as error:
        raise FmdiagError(f"{path}: truncated or not a safetensors file ({error}); copy or save it again") from error
    return keys.parts(names, partial(_load, path), path)


def _load(path, name):
    try:
        with spelt(path) as spelling, safe_open(spelling, framework="pt") as file:
            return as_array(file.get_tensor(name))
    except (FmdiagError, SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise FmdiagError(f"{path}: tensor {name}: {error}") from error

"""Keys of rows and labels among several named arrays.

Files with one array hold the rows under any name. Else the rows are ``images``, ``image``, ``data``, ``x``, ... and the
labels ``labels``, ``label``, ``y``, ``targets``, either plain or with a part: ``train_images``, ``x_train``, ``train``.
Names are compared without regard to case.
"""

from functools import partial

import numpy as np

from fmdiag.datasets.source import TEST_NAMES, Part
from fmdiag.errors import FmdiagError

ROWS = ("images", "image", "data", "x", "samples", "rows", "arr_0")
LABELS = ("labels", "label", "y", "targets", "target")


def parts(names, load, path, load_column=None):
    """Return the parts of a file of named arrays.

    Parameters
    ----------
    names : list of str
        The arrays in the file.
    load : callable
        ``load(name)`` returns one array.
    path : path
        The file, for messages.
    load_column : callable, optional
        Loads an array that may hold text; default `load`.

    Raises
    ------
    FmdiagError
        If no array is recognisably the rows.
    """
    load_column, aliases = load_column or load, {"train": ("train",), "test": TEST_NAMES}
    found = {split: _pair(names, words) for split, words in aliases.items()}
    if found["train"]:
        return {split: partial(_part, load, *pair, _columns(names, load_column, aliases[split]))
                for split, pair in found.items() if pair}
    rows, labels = _first(names, ROWS), _first(names, LABELS)
    if rows is None and len(others := [name for name in names if name != labels]) == 1:
        rows = others[0]
    if rows is None:
        raise FmdiagError(f"{path}: which array holds the rows? it has {', '.join(map(str, names)) or 'none'}; name it "
                          f"one of {', '.join(ROWS)}, with labels as one of {', '.join(LABELS)}")
    columns = {str(name): partial(load_column, name) for name in names if name != rows}
    return {"all": partial(_part, load, rows, labels, columns)}


def _pair(names, aliases):
    """Return the names of (rows, labels) of a part, labels None where missing; None where the part is missing."""
    for alias in aliases:
        rows = _first(names, (*_with_part(ROWS, alias), alias))
        if rows is not None:
            return rows, _first(names, _with_part(LABELS, alias))
    return None


def _columns(names, load, aliases):
    """Return the functions that load the arrays of a part, by their names without it."""
    found = {}
    for name in reversed(names):
        for alias in aliases:
            for short in (str(name).removeprefix(f"{alias}_"), str(name).removesuffix(f"_{alias}")):
                if short != str(name):
                    found[short] = partial(load, name)
    return found


def _with_part(words, part):
    return tuple(form for word in words for form in (f"{part}_{word}", f"{word}_{part}"))


def _first(names, wanted):
    by_lower = {str(name).lower(): name for name in reversed(names)}
    return next((by_lower[word] for word in wanted if word in by_lower), None)


def _part(load, rows, labels, columns):
    return Part(load(rows), None if labels is None else as_labels(load(labels)), columns=columns)


def as_labels(values):
    """Return class numbers as int64, shape (n,), or None where `values` are no class numbers."""
    values = np.asarray(values)
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    return values.astype(np.int64) if values.ndim == 1 and values.dtype.kind in "iub" else None

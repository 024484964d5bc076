"""Rows of a PyTorch data set in memory: items that are arrays, pairs (array, label), or dicts of these.

Hugging Face's ``datasets.Dataset`` is one of the last kind. Items are read once, in their order, into one array.
"""

from functools import partial

import numpy as np
import torch
from PIL import Image

from fmdiag.datasets.readers import keys
from fmdiag.datasets.readers.pt import as_array
from fmdiag.datasets.source import Part
from fmdiag.errors import FmdiagError

ROWS = (*keys.ROWS, "img", "pixel_values")


def is_dataset(value):
    """Return whether a value has a length and items by number, as a map-style data set; lists and dicts are none."""
    sized = hasattr(type(value), "__len__") and hasattr(type(value), "__getitem__")
    return sized and not isinstance(value, str | bytes | list | tuple | dict)


def parts(dataset):
    """Return the one part of a data set."""
    return {"all": partial(_part, dataset)}


def _part(dataset):
    found = [_parted(dataset[k], k) for k in range(len(dataset))]
    if not found:
        raise FmdiagError("the data set has no items")
    rows = [_row(row, k) for k, (row, _, _) in enumerate(found)]
    shapes = {row.shape for row in rows}
    if len(shapes) > 1:
        raise FmdiagError(f"items of the data set have different shapes, such as {sorted(shapes)[:2]}: give it a "
                          "transform that makes them equal")
    labels = [label for _, label, _ in found]
    columns = {name: lambda name=name: [others.get(name) for _, _, others in found] for name in found[0][2]}
    return Part(np.stack(rows), None if any(one is None for one in labels) else keys.as_labels(labels), columns=columns)


def _parted(item, number):
    """Return (row, label, {name: value} of numbers and texts beside it) of an item, label None where it has none."""
    if isinstance(item, dict):
        names = {str(name).lower(): name for name in item}
        row, label = (next((names[word] for word in words if word in names), None) for words in (ROWS, keys.LABELS))
        if row is None:
            raise FmdiagError(f"item {number} of the data set has {', '.join(map(str, item)) or 'nothing'}: name the "
                              f"rows one of {', '.join(ROWS)}")
        others = {str(name): value for name, value in item.items() if isinstance(value, str | int | float)}
        return item[row], None if label is None else item[label], others
    if isinstance(item, tuple | list):
        return item[0], item[1] if len(item) > 1 else None, {}
    return item, None, {}


def _row(row, number):
    if isinstance(row, torch.Tensor):
        return as_array(row.cpu())
    if isinstance(row, np.ndarray | Image.Image):
        return np.asarray(row)
    raise FmdiagError(f"item {number} of the data set is a {type(row).__name__}: give tensors or arrays, or pairs of "
                      "one and its label")

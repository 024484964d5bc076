"""Whatever stands for a training set gives the same one: arrays, tensors, PyTorch data sets, names."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

import fmdiag
from fmdiag.datasets import as_training_set
from fmdiag.errors import FmdiagError

ROWS = torch.linspace(-1, 1, 12 * 64).reshape(12, 1, 8, 8)


class Items:
    """A map-style data set of any items."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, number):
        return self.items[number]


@pytest.mark.parametrize("value", [
    ROWS, ROWS.numpy(), TensorDataset(ROWS), TensorDataset(ROWS, torch.arange(12)), Items(list(ROWS)),
    Items([{"label": 3, "image": row.numpy()} for row in ROWS]),
    torch.utils.data.Subset(TensorDataset(ROWS), range(12)),
], ids=["tensor", "array", "tensors", "labelled", "items", "dicts", "subset"])
def test_the_same_rows(value):
    found = as_training_set(value)
    assert torch.equal(found[:], ROWS) and found.fingerprint == fmdiag.load_dataset(ROWS).fingerprint
    assert as_training_set(found) is found


def test_labels_and_pictures():
    assert as_training_set(TensorDataset(ROWS, torch.arange(12))).labels.tolist() == list(range(12))
    pictures = Items([(Image.fromarray(np.full((8, 8), 51 * k, dtype=np.uint8)), k) for k in range(4)])
    assert as_training_set(pictures)[:].amax((1, 2, 3)).tolist() == pytest.approx([-1, -0.6, -0.2, 0.2])


@pytest.mark.parametrize(("value", "said"), [
    (3.5, "a data set is a name, a path, an array .* or a data set of PyTorch, got a float"),
    (Items([]), "no items"), (Items([ROWS[0], ROWS[0, :, :4]]), "different shapes"),
    (Items(["a", "b"]), "item 0 of the data set is a str"), (Items([{"caption": "a"}]), "has caption: name the rows"),
])
def test_what_is_none(value, said):
    with pytest.raises(FmdiagError, match=said):
        as_training_set(value)


def test_functions_take_arrays():
    rows, tensors = fmdiag.load_dataset("digits", n=30)[:], {}
    train = fmdiag.load_dataset(rows)
    for given in (rows, rows.numpy(), TensorDataset(rows)):
        tensors["alignment"] = fmdiag.alignment(given, times=[0.5], n_pairs=3), fmdiag.alignment(
            train, times=[0.5], n_pairs=3)
        tensors["memorization"] = (fmdiag.memorization(rows[:4], given, closed_form=False),
                                   fmdiag.memorization(rows[:4], train, closed_form=False))
        tensors["error"] = (fmdiag.error(fmdiag.ClosedFormField(given), given, times=[0.5], n_pairs=3),
                            fmdiag.error(fmdiag.ClosedFormField(train), train, times=[0.5], n_pairs=3))
        for found, expected in tensors.values():
            pd.testing.assert_frame_equal(found, expected, check_exact=True)
        assert fmdiag.nearest(rows[[3]], given).rows.ravel().tolist() == [3]

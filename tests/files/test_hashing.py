"""Hashes against hashlib on the bytes that they are documented to be of."""

import hashlib
import os

import numpy as np
import pytest
import torch

from fmdiag.errors import FmdiagError
from fmdiag.files.hashing import arrays_sha256, file_sha256, folder_sha256, sums, weights_sha256


def of(content):
    return hashlib.sha256(content).hexdigest()


def test_files_and_folders(tmp_path):
    (tmp_path / "b").mkdir()
    for name, content in (("b/x", b"one"), ("a", b"two")):
        (tmp_path / name).write_bytes(content)
    assert file_sha256(tmp_path / "a") == of(b"two")
    assert sums(tmp_path) == {"a": of(b"two"), "b/x": of(b"one")}
    assert sums(tmp_path, but=("a",)) == {"b/x": of(b"one")}
    assert folder_sha256(tmp_path) == of(f"a {of(b'two')}\nb/x {of(b'one')}\n".encode())


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FmdiagError, match="a named pipe"):
        file_sha256(tmp_path / "pipe")


@pytest.mark.parametrize("array", [np.arange(12.0).reshape(3, 4).T, np.float32(3), np.empty((0, 3)), np.array(["ab"])],
                         ids=["strided", "scalar", "empty", "text"])
def test_arrays_are_their_bytes_in_order(array):
    assert arrays_sha256(array, array, header="x") == of(b"x" + 2 * np.asarray(array).tobytes())


def test_weights_are_in_the_order_of_their_names():
    weights = {"b": torch.tensor([1.0], requires_grad=True), "a": torch.arange(4).reshape(2, 2).T}
    expected = of(b"xa" + np.array([0, 2, 1, 3]).tobytes() + b"b" + np.float32(1).tobytes())
    assert weights_sha256(weights, "x") == expected == weights_sha256(dict(reversed(weights.items())), "x")

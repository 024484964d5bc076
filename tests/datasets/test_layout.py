import numpy as np
import pytest

from fmdiag.datasets.layout import training_rows
from fmdiag.datasets.source import Part
from fmdiag.errors import FmdiagError


def laid_out(rows, value_range=None):
    return training_rows(Part(rows), "x.npy", value_range)


@pytest.mark.parametrize(("stored", "expected"), [
    ((5, 8, 9), (5, 1, 8, 9)),
    ((5, 8, 9, 3), (5, 3, 8, 9)),
    ((5, 8, 9, 1), (5, 1, 8, 9)),
    ((5, 3, 8, 9), (5, 3, 8, 9)),
    ((5, 1, 8, 9), (5, 1, 8, 9)),
    ((5, 3, 8, 3), (5, 3, 8, 3)),  # ambiguous: what could be channels first is
    ((5, 7), (5, 7)),
])
def test_uint8_is_pictures_channels_first(stored, expected):
    rows, divisor, shift = laid_out(np.zeros(stored, np.uint8))
    assert (rows.shape, divisor, shift) == (expected, 127.5, -1.0)


def test_channels_last_pixels_keep_their_place():
    stored = np.random.default_rng(0).integers(0, 256, (2, 8, 9, 3), dtype=np.uint8)
    assert laid_out(stored)[0][1, 2, 3, 4] == stored[1, 3, 4, 2]


@pytest.mark.parametrize("shape", [(5, 8, 9), (5, 8, 9, 3), (5, 2)])
def test_floats_are_left_as_they_are(shape):
    stored = np.random.default_rng(0).standard_normal(shape)
    rows, divisor, shift = laid_out(stored)
    assert (divisor, shift) == (1.0, 0.0) and rows is stored


@pytest.mark.parametrize("value_range", [(0, 1), (-3, 5), (0, 255)])
def test_value_range_becomes_model_range(value_range):
    stored = np.linspace(*value_range, 16).reshape(2, 2, 4)
    rows, divisor, shift = laid_out(stored, value_range)
    assert rows.shape == (2, 1, 2, 4)
    # Rounding of three operations near 1: a few times 2e-16.
    assert np.allclose([rows.min() / divisor + shift, rows.max() / divisor + shift], [-1, 1], atol=1e-15)


def test_big_endian_becomes_native():
    rows, _, _ = laid_out(np.arange(6, dtype=">f4").reshape(3, 2))
    assert rows.dtype.isnative and rows[2, 1] == 5


def test_unsigned_16_bits_keep_their_values():
    rows, divisor, shift = laid_out(np.array([[[0, 65535]]], np.uint16), (0, 65535))
    assert (rows.max() / divisor + shift) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_row_that_is_not_finite_is_named(bad):
    rows = np.zeros((7, 3), np.float32)
    rows[4, 1] = bad
    with pytest.raises(FmdiagError, match="x.npy: row 4 holds NaN or infinity"):
        laid_out(rows)


@pytest.mark.parametrize(("rows", "value_range", "message"), [
    (np.array([[{}]]), None, "instead of numbers"),
    (np.array([["a"]]), None, "instead of numbers"),
    (np.zeros((2, 2), complex), None, "complex128 is not supported"),
    (np.zeros((2, 2), bool), None, "bool is not supported"),
    (np.zeros((2, 8, 8), np.int64), None, "no known range"),
    (np.zeros((2, 8, 8, 4), np.uint8), None, "4th channel"),
    (np.full((2, 2), 200.0), (0, 1), "row 0 has values from 200 to 200, outside"),
    (np.zeros((2, 2)), (1, 0), "low < high"),
    (np.zeros((2, 2)), (0, np.nan), "low < high"),
])
def test_what_cannot_be_rows_is_refused(rows, value_range, message):
    with pytest.raises(FmdiagError, match=message):
        laid_out(rows, value_range)

"""The second neighbour is another picture: repeated rows and mirror images must not hide a copy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmdiag.datasets import TrainingSet
from fmdiag.neighbors import nearest_distinct


def brute_force(queries, rows):
    """Return (rows1, d1, rows2, d2) by float64 differences; row2 differs from row1 in some coordinate."""
    result = []
    for query in queries.astype(np.float64):
        d = np.sqrt(((query - rows.astype(np.float64)) ** 2).sum(1))
        first = int(np.argmin(d))
        other = np.where((rows == rows[first]).all(1), np.inf, d)
        second = int(np.argmin(other)) if np.isfinite(other).any() else -1
        result.append((first, d[first], second, other.min()))
    return [np.array(column) for column in zip(*result, strict=True)]


def assert_equal(found, expected):
    rows1, d1, rows2, d2 = expected
    np.testing.assert_array_equal(found.rows1, rows1)
    np.testing.assert_array_equal(found.rows2, rows2)
    np.testing.assert_allclose(found.d1, d1, rtol=1e-12)
    np.testing.assert_allclose(found.d2, d2, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 3), st.integers(1, 4))
def test_equals_brute_force_on_grids_full_of_duplicates(seed, n, dim, side):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, side, size=(n, dim)).astype(np.float32)
    queries = (rng.integers(0, side, size=(8, dim)) + 0.25 * rng.integers(0, 2, size=(8, dim))).astype(np.float32)
    assert_equal(nearest_distinct(queries, TrainingSet(rows)), brute_force(queries, rows))


@pytest.mark.parametrize("copies", [3, 50])
def test_repeated_rows_count_once(copies):
    """50 copies are more than the search fetches; the nearest distinct row must be found all the same."""
    rng = np.random.default_rng(0)
    rows = np.tile(rng.normal(size=(20, 6)), (copies, 1)).astype(np.float32)
    queries = rows[:20] + (1e-3 * rng.normal(size=(20, 6))).astype(np.float32)
    found = nearest_distinct(queries, TrainingSet(rows))
    assert_equal(found, brute_force(queries, rows))
    assert (found.rows1 < 20).all() and (found.rows2 < 20).all()
    assert (found.ratio < 0.05).all()


def test_mirror_images_are_rows_of_their_own_unless_symmetric():
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 256, size=(6, 1, 4, 4), dtype=np.uint8)
    rows[2] = np.maximum(rows[2], rows[2][..., ::-1])  # symmetric: its mirror image is a duplicate
    plain = TrainingSet(rows, divisor=127.5, shift=-1.0)
    flipped = plain.with_hflip()
    queries = plain[slice(0, 6)].flip(-1)
    assert (nearest_distinct(queries, plain).d1[[0, 1, 3, 4, 5]] > 1).all()
    found = nearest_distinct(queries, flipped)
    assert (found.d1 == 0).all()
    np.testing.assert_array_equal(found.rows1, [6, 7, 2, 9, 10, 11])
    assert found.rows2[2] not in (2, 8) and (found.ratio == 0).all()


def test_one_distinct_row_has_no_second():
    rows = np.ones((5, 3), np.float32)
    found = nearest_distinct(np.array([[1, 1, 1], [1, 1, 2]], np.float32), TrainingSet(rows))
    np.testing.assert_array_equal(found.rows2, [-1, -1])
    assert np.isinf(found.d2).all()
    np.testing.assert_array_equal(found.ratio, [0, np.nan])
    assert np.isinf(nearest_distinct(rows[:1] + 1, TrainingSet(rows[:1])).d2).all()


def test_rows_that_a_feature_cannot_tell_apart_count_once():
    rows = np.array([[0, 0], [0, 1], [0, 1], [3, 0]], np.float32)

    def first(images):
        return images[:, :1]

    first.name = "first"
    found = nearest_distinct(torch.tensor([[1.0, 1.0]]), TrainingSet(rows), feature=first)
    assert (found.rows1, found.d1, found.rows2, found.d2) == (0, 1, 3, 2)

"""Duplicates of rows against a dictionary, and nested random subsets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmdiag.datasets import TrainingSet, duplicate_groups, load_dataset, subsample
from fmdiag.datasets import duplicates as duplicates_module
from fmdiag.errors import FmdiagError


def test_every_copy_points_at_the_first():
    rows = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 4), dtype=np.uint8)[[0, 1, 0, 2, 1, 0]]
    groups = duplicate_groups(TrainingSet(rows))
    assert groups.tolist() == [0, 1, 0, 3, 1, 0] and groups.dtype == np.int64


def test_blocks_do_not_change_groups(monkeypatch):
    monkeypatch.setattr(duplicates_module, "BLOCK_BYTES", 1)
    rows = np.array([[1.0], [2.0], [1.0], [-0.0], [0.0]])
    assert duplicate_groups(TrainingSet(rows)).tolist() == [0, 1, 0, 3, 3]


def test_mirror_images_count_when_flips_are_rows():
    left = np.arange(4, dtype=np.uint8).reshape(1, 1, 4)
    symmetric = np.array([[[1, 2, 2, 1]]], np.uint8)
    rows = np.stack([left, left[..., ::-1], symmetric, left + 9])
    assert duplicate_groups(TrainingSet(rows)).tolist() == [0, 1, 2, 3]
    # Rows 4 to 7 are the flips: of row 0 equal to row 1 and the reverse, of the symmetric one itself, of 3 new.
    assert duplicate_groups(TrainingSet(rows, hflip=True)).tolist() == [0, 1, 2, 3, 1, 0, 2, 7]


def test_groups_are_computed_once(monkeypatch):
    training_set = TrainingSet(np.eye(3))
    first = duplicate_groups(training_set)
    monkeypatch.setattr(duplicates_module, "_groups", None)
    assert duplicate_groups(training_set) is first


def test_every_second_pixel_is_taken_and_none_averaged():
    rows = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    small = subsample(TrainingSet(rows, divisor=127.5, shift=-1.0, labels=np.arange(5), hflip=True), 4)
    assert np.array_equal(small.rows, rows[:, :, ::2, ::2])
    assert (small.divisor, small.shift, small.n, small.dtype) == (127.5, -1.0, 10, np.uint8)


def test_the_centre_square_is_taken_first():
    rows = np.arange(4 * 10).reshape(1, 1, 4, 10).astype(np.float32)
    assert np.array_equal(subsample(TrainingSet(rows), 2).rows, rows[:, :, ::2, 3:7:2])


@pytest.mark.parametrize("dim", [1, 3, 5, 7])
def test_any_size_takes_distinct_pixels_spread_evenly(dim):
    rows = np.arange(7.0)[None, None, :, None] + 100 * np.arange(7.0)
    picked = subsample(TrainingSet(rows), dim).rows[0, 0, :, 0]
    assert len(set(picked)) == dim and picked[0] == 0
    assert set(np.diff(picked)) <= {7 // dim, -(-7 // dim)}


def test_held_out_rows_are_subsampled_too():
    rows = np.random.default_rng(0).integers(0, 256, (20, 1, 6, 6), dtype=np.uint8)
    small = subsample(TrainingSet(rows).split_held_out(0.25), 3)
    assert (small.n, small.held_out.n, small.held_out.shape) == (15, 5, (1, 3, 3))
    assert subsample(load_dataset("digits"), 4).held_out.shape == (1, 4, 4)


@pytest.mark.parametrize(("shape", "dim"), [((2, 1, 6, 6), 7), ((2, 1, 6, 6), 0), ((2, 36), 3), ((2, 1, 9, 6), 8)])
def test_impossible_sizes_are_refused(shape, dim):
    with pytest.raises(FmdiagError, match="between 1 and 6|only images"):
        subsample(TrainingSet(np.zeros(shape)), dim)


@settings(max_examples=50)
@given(st.lists(st.sampled_from([0.0, -0.0, 1.0, 2.0]), min_size=1, max_size=60), st.integers(1, 3), st.booleans())
def test_groups_are_those_of_a_dictionary(values, dim, hflip):
    rows = np.resize(np.array(values, np.float32), (max(1, len(values) // dim), 1, 1, dim))
    training_set, first = TrainingSet(rows, hflip=hflip), {}
    expected = [first.setdefault(tuple(row.flatten().tolist()), k) for k, row in enumerate(training_set[:])]
    assert duplicate_groups(training_set).tolist() == expected

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError


def pictures(n=6, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 4, 5), dtype=np.uint8)


def test_uint8_reaches_both_ends_of_model_range():
    rows = np.array([[[[0, 255]]]], np.uint8)
    assert TrainingSet(rows, divisor=127.5, shift=-1.0)[0].flatten().tolist() == [-1.0, 1.0]


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=4, max_dims=4, max_side=5)), st.integers(1, 7), st.booleans())
def test_blocks_are_the_rows_whatever_their_size(rows, size, hflip):
    training_set = TrainingSet(rows, divisor=127.5, shift=-1.0, hflip=hflip)
    blocks = list(training_set.blocks(size))
    assert torch.equal(torch.cat([block for _, block in blocks]), training_set[:].flatten(1))
    assert [start for start, _ in blocks] == sorted({start for start, _ in blocks})
    for start, block in blocks:
        assert torch.equal(block, training_set[start : start + len(block)].flatten(1))


def test_flips_are_further_rows():
    training_set = TrainingSet(pictures(), divisor=127.5, shift=-1.0, hflip=True)
    assert training_set.n == len(training_set) == 12
    assert torch.equal(training_set[8], training_set[2].flip(-1))
    assert not torch.equal(training_set[8], training_set[2])


def test_subsets_are_nested_and_keep_labels():
    training_set = TrainingSet(np.arange(40.0).reshape(20, 2), labels=np.arange(20))
    small, large = training_set.subset(5), training_set.subset(12)
    assert set(small.labels) < set(large.labels)
    assert np.array_equal(large.rows[:, 0], 2 * large.labels)


@pytest.mark.parametrize("n", [0, 21, -1])
def test_subset_of_impossible_size_is_refused(n):
    with pytest.raises(FmdiagError, match="1 to 20 rows"):
        TrainingSet(np.zeros((20, 2))).subset(n)


def test_held_out_split_is_deterministic_and_disjoint():
    training_set = TrainingSet(np.arange(100.0)[:, None], labels=np.arange(100))
    first, again = training_set.split_held_out(0.2), training_set.split_held_out(0.2)
    assert first.fingerprint == again.fingerprint and first.held_out.fingerprint == again.held_out.fingerprint
    assert first.n == 80 and first.held_out.n == 20
    assert set(first.labels) | set(first.held_out.labels) == set(range(100))


def test_fingerprint_sees_every_byte_and_every_setting():
    rows = pictures()
    changed = rows.copy()
    changed[-1, -1, -1, -1] ^= 1
    sets = [TrainingSet(rows), TrainingSet(changed), TrainingSet(rows, divisor=127.5), TrainingSet(rows, hflip=True),
            TrainingSet(rows.reshape(6, 3, 5, 4))]
    assert len({training_set.fingerprint for training_set in sets}) == len(sets)
    assert TrainingSet(rows).fingerprint == TrainingSet(np.asfortranarray(rows), name="other").fingerprint


def test_pictures_survive_the_way_to_model_range_and_back():
    training_set = TrainingSet(np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16), divisor=127.5, shift=-1.0)
    assert np.array_equal(training_set.to_uint8(training_set[:]).numpy(), training_set.rows)


@pytest.mark.parametrize(("rows", "options", "message"), [
    (np.zeros((0, 3)), {}, "n >= 1"),
    (np.zeros(3), {}, "shape"),
    (np.zeros((3, 2), complex), {}, "complex"),
    (np.zeros((3, 2)), {"labels": np.zeros(2)}, "2 labels for 3 rows"),
    (np.zeros((3, 2)), {"hflip": True}, "flips need images"),
])
def test_what_cannot_be_a_training_set_is_refused(rows, options, message):
    with pytest.raises(FmdiagError, match=message):
        TrainingSet(rows, **options)


def test_row_numbers_outside_are_refused():
    with pytest.raises(IndexError, match=r"\[0, 3\)"):
        TrainingSet(np.zeros((3, 2)))[3]


def test_it_can_be_sent_to_another_process():
    training_set = TrainingSet(pictures(), hflip=True)
    assert pickle.loads(pickle.dumps(training_set)).fingerprint == training_set.fingerprint


def test_its_repr_does_not_print_the_rows():
    assert len(repr(TrainingSet(pictures(600)))) < 120

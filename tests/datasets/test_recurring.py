"""Recurring content: what is in the pool once only, whatever side, way of storing and orientation."""

from dataclasses import replace

import numpy as np

from fmdiag import TrainingSet
from fmdiag.datasets.recurring import recurring


def pictures(n, seed):
    return np.random.default_rng(seed).integers(256, size=(n, 1, 4, 4), dtype=np.uint8)


def test_both_sides_lose_what_recurs_and_the_sides_may_be_exchanged():
    train, held_out = pictures(9, 0), pictures(7, 1)
    train[4] = train[1]              # within the training set
    held_out[2] = train[6]           # across the sets
    held_out[3] = train[7][..., ::-1]   # across, mirrored
    train[8] = train[0][..., ::-1]   # within, mirrored, of a set without flips
    found = recurring(TrainingSet(train), TrainingSet(held_out))
    assert [np.flatnonzero(part).tolist() for part in found] == [[0, 1, 4, 6, 7, 8], [2, 3]]
    turned = recurring(TrainingSet(held_out), TrainingSet(train))
    assert all((a == b).all() for a, b in zip(found, turned[::-1], strict=True))


def test_the_way_of_storing_does_not_matter():
    train, held_out = pictures(5, 0), pictures(5, 1)
    held_out[1] = train[3]
    stored = TrainingSet(np.float32(held_out) / 127.5 - 1)
    assert [part.sum() for part in recurring(TrainingSet(train), stored)] == [1, 1]


def test_content_may_recur_within_a_group():
    train = TrainingSet(np.float32([[1], [1], [2], [3]]), groups=np.array([0, 0, 1, 2]), group_names=("a", "b", "c"))
    held_out = TrainingSet(np.float32([[3], [4], [4]]), groups=np.array([3, 4, 5]), group_names=tuple("abcdef"))
    found = recurring(train, held_out)
    assert [part.tolist() for part in found] == [[False, False, False, True], [True, True, True]]
    alone = recurring(replace(train, groups=None), replace(held_out, groups=None))
    assert alone[0].tolist() == [True, True, False, True]

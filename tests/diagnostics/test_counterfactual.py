"""û* without a row and with another image in its place: that of the set built so by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fmdiag import ClosedFormField, TrainingSet
from fmdiag.diagnostics.membership.counterfactual import counterfactual, replaced

RNG = np.random.default_rng()


@pytest.fixture(autouse=True)
def _the_same_draws_in_any_order():
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state



def rows(n, shape=(1, 2, 3)):
    return TrainingSet(RNG.normal(size=(n, *shape)).astype(np.float32))


def expected(training_set, kept, x, t):
    return ClosedFormField(replace(training_set, rows=kept))(x, t)


@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("t", [0.0, 0.4, 0.95])
def test_is_the_field_of_the_set_built_by_hand(t, hflip):
    train = rows(9).with_hflip(hflip)
    z = torch.from_numpy(RNG.normal(size=(2, *train.shape)).astype(np.float32))
    x = torch.from_numpy(RNG.normal(size=(2, *train.shape))) * (1 - t) + t * z
    found = counterfactual(ClosedFormField(train), x, t, z, replaced(train, [3, 5]))
    for k, gone in enumerate(([3], [5])):
        without = np.delete(train.rows, gone, axis=0)
        swapped = np.concatenate([without, z[k : k + 1].numpy()])
        point = x[k : k + 1]
        torch.testing.assert_close(found.without[k], expected(train, without, point, t)[0], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found.swapped[k], expected(train, swapped, point, t)[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("hflip", [False, True])
def test_of_a_guided_class_it_is_the_guided_field_of_the_set_built_by_hand(hflip):
    train = replace(rows(9), labels=np.arange(9) % 3).with_hflip(hflip)
    of_class = train.of_class(1, guidance=2.5)     # rows 1, 4, 7
    z = torch.from_numpy(RNG.normal(size=(1, *train.shape)).astype(np.float32))
    x = torch.from_numpy(RNG.normal(size=(1, *train.shape)))
    found = counterfactual(ClosedFormField(of_class), x, 0.6, z, replaced(of_class, [2]))
    for gone, field in (([], found.swapped), ([7], found.without)):
        kept = train.rows.copy()
        kept[7] = z[0].numpy()
        left = replace(train, rows=np.delete(kept, gone, axis=0), labels=np.delete(train.labels, gone))
        expected = ClosedFormField(left, label=1, guidance=2.5)(x, 0.6)
        torch.testing.assert_close(field, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("hflip", [False, True])
def test_an_image_takes_the_place_of_a_whole_group(hflip):
    """So that exchanging a group with a held-out one of another size changes nothing but which is trained on."""
    train = rows(6).with_hflip(hflip)
    train = replace(train, groups=np.array([0, 1, 1, 1, 2, 2]), group_names=("a", "b", "c"))
    z, x = train[[2]], torch.from_numpy(RNG.normal(size=(1, *train.shape)))
    found = counterfactual(ClosedFormField(train), x, 0.6, z, replaced(train, [2]))
    kept = np.concatenate([train.rows[[0, 4, 5]], z.numpy()])
    by_hand = ClosedFormField(TrainingSet(kept, hflip=hflip))(x, 0.6)
    torch.testing.assert_close(found.swapped, by_hand, rtol=1e-9, atol=1e-9)


def test_a_training_image_in_its_own_place_is_the_training_set():
    train = rows(6)
    x = torch.from_numpy(RNG.normal(size=(6, *train.shape)))
    found = counterfactual(ClosedFormField(train), x, 0.6, train[:], replaced(train, np.arange(6)))
    torch.testing.assert_close(found.swapped, ClosedFormField(train)(x, 0.6), rtol=1e-10, atol=1e-10)
    exact = ClosedFormField(train).posterior(x, 0.6, source_rows=torch.arange(6)).source_weight
    torch.testing.assert_close(found.weight, exact, rtol=1e-10, atol=1e-12)


def test_excluded_rows_in_blocks_of_one():
    train = rows(5)
    x, excluded = torch.from_numpy(RNG.normal(size=(3, *train.shape))), torch.tensor([[0, 4], [1, -1], [2, 3]])
    whole = ClosedFormField(train).posterior(x, 0.7, exclude=excluded)
    blocks = ClosedFormField(train, block_rows=1).posterior(x, 0.7, exclude=excluded)
    torch.testing.assert_close(blocks.mean, whole.mean, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(blocks.log_density, whole.log_density, rtol=1e-12, atol=1e-12)
    assert not (whole.top_row[:, None] == excluded).any()

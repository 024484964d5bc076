"""Range and layout of arrays that do not say what they are: recognised and said, or refused with what works."""

import warnings

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.errors import FmdiagError, FmdiagWarning


def unit(n, shape=(1, 12, 12), seed=0):
    return np.random.default_rng(seed).beta(0.4, 0.8, (n, *shape)).astype(np.float32)


def quietly(source, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_dataset(source, **options)


@pytest.mark.parametrize(("rows", "option"), [
    (unit(40), "0,1"), (unit(40) * 255, "0,255"), ((unit(40) * 255).round().astype(np.float64), "0,255"),
    (unit(40, (3, 9, 9)), "0,1"), (unit(40, (9, 9)), "0,1"), (unit(40) + 0.004 * np.float32(1), "0,1"),
])
def test_fault_2_11_the_range_of_float_pictures_is_said(rows, option, tmp_path):
    np.save(tmp_path / "x.npy", rows)
    with pytest.warns(FmdiagWarning, match=f"give --value-range {option}") as heard:
        found = load_dataset(tmp_path / "x.npy")
    assert found.cautions == [str(heard[0].message)] and found.divisor == 1
    low, high = map(float, option.split(","))
    mapped = quietly(np.clip(rows, low, high), value_range=(low, high))
    assert mapped.cautions == [] and -1 <= mapped[:].min() < -0.9 and 0.9 < mapped[:].max() <= 1


@pytest.mark.parametrize("rows", [
    unit(40) * 2 - 1, np.random.default_rng(0).normal(size=(40, 3, 9, 9)), unit(40, (64,)), unit(40, (2,)) * 255,
    unit(40, (4, 8, 8)), unit(3), np.zeros((40, 1, 8, 8)), (unit(40) * 2 - 1) * 1.3,
], ids=["model range", "standardised", "vectors", "points", "latents", "few", "zeros", "not clamped"])
def test_where_nothing_is_odd_nothing_is_said(rows):
    assert quietly(rows).cautions == []


@pytest.mark.parametrize("name", ["digits", "two-moons", "gaussian", "mixture"])
def test_bundled_sets_are_read_in_silence(name):
    assert quietly(name).cautions == []


def test_fault_2_11_channels_last_floats_are_moved_and_said():
    rows = unit(20, (9, 9, 3)) * 2 - 1
    with pytest.warns(FmdiagWarning, match="channels last"):
        found = load_dataset(rows)
    assert found.shape == (3, 9, 9) and found[4][2, 1, 7] == rows[4, 1, 7, 2]
    with pytest.warns(FmdiagWarning, match="look channels last but are taken as 9 channels"):
        load_dataset(unit(20, (9, 7, 3)) * 2 - 1)
    assert quietly(unit(20, (3, 9, 9)) * 2 - 1).shape == (3, 9, 9)


def test_fault_2_17_whole_numbers_from_0_to_255_are_pictures():
    stored = np.random.default_rng(0).integers(0, 256, (30, 9, 9, 3))
    found = quietly(stored)
    assert (found.shape, found.divisor, found.shift) == ((3, 9, 9), 127.5, -1.0)
    assert torch.equal(found[:], quietly(stored.astype(np.uint8))[:])


@pytest.mark.parametrize(("rows", "advice"), [
    (np.arange(17 * 64).reshape(17, 1, 8, 8) % 17, "0,16"), (np.arange(128).reshape(2, 8, 8) % 2, "0,1"),
    (np.arange(128).reshape(2, 8, 8) - 5, "-5,122"), (np.arange(1024).reshape(2, 1, 8, 64), "0,1023"),
])
def test_fault_2_17_other_whole_numbers_are_refused_with_an_option_that_works(rows, advice):
    with pytest.raises(FmdiagError, match=f"--value-range {advice}") as refused:
        load_dataset(rows)
    assert "value_range=" not in str(refused.value)
    mapped = quietly(rows, value_range=tuple(map(float, advice.split(","))))[:]
    assert torch.allclose(torch.stack([mapped.min(), mapped.max()]), torch.tensor([-1.0, 1.0]))


def test_fault_2_15_arrays_are_data_sets():
    stored = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    for source in (stored, torch.from_numpy(stored)):
        found = quietly(source, held_out=0.2, n=10)
        assert (found.n, found.held_out.n, found.shape, found.name) == (10, 6, (1, 8, 8), "array")
        assert found.picture_range == (-1, 1) and -1 <= found[:].min() < -0.9 < 0.9 < found[:].max() <= 1
    points = np.random.default_rng(0).normal(size=(30, 2))
    found = quietly(torch.from_numpy(points), held_out=points[:5] + 1)
    assert found.n == 30 and found.held_out.n == 5 and np.allclose(found[:], points)
    assert quietly(torch.ones(4, 2, dtype=torch.bfloat16)).n == 4


@pytest.mark.parametrize("source", [[[1.0, 2.0]], None, 3, {"x": 1}])
def test_other_objects_are_refused_by_their_type(source):
    with pytest.raises(FmdiagError, match="a name, a path, an array"):
        load_dataset(source)


def test_fault_2_15_uint8_rows_are_pictures_of_8_bits():
    stored = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    found = TrainingSet(stored)
    assert (found.divisor, found.shift) == (127.5, -1.0) and found[:].min() == -1 and found[:].max() == 1
    assert torch.equal(TrainingSet(stored, 1.0)[:], torch.from_numpy(stored).float())
    assert TrainingSet(stored.astype(np.float32)).divisor == 1
    assert found.fingerprint == TrainingSet(stored, 127.5, -1.0).fingerprint


def test_opaque_pictures_lose_their_opacity():
    stored = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 4), dtype=np.uint8)
    with pytest.raises(FmdiagError, match="4th channel"):
        load_dataset(stored)
    stored[..., 3] = 255
    assert quietly(stored).shape == (3, 8, 8)

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

import fmdiag
from fmdiag.datasets import load_dataset
from fmdiag.datasets.named import NAMED
from fmdiag.errors import FmdiagError, FmdiagWarning


def saved(path, rows):
    np.save(path, rows)
    return path


@pytest.fixture
def points(tmp_path):
    return saved(tmp_path / "points.npy", np.arange(40.0).reshape(20, 2))


def test_digits_are_as_documented():
    train = fmdiag.load_dataset("digits")
    assert (train.n, train.shape, train.held_out.n, train.name) == (1500, (1, 8, 8), 297, "digits")
    assert (train[:].min(), train[:].max()) == (-1, 1)
    assert train.fingerprint == load_dataset("digits").fingerprint
    rows = {row.tobytes() for row in train.rows}
    # The digits hold no two equal pictures, so a shared row would be a leak.
    assert not rows & {row.tobytes() for row in train.held_out.rows}


def test_test_split_is_what_held_out_loads():
    assert load_dataset("digits", split="test").fingerprint == load_dataset("digits").held_out.fingerprint


@pytest.mark.parametrize(("name", "n", "shape"), [
    ("two-moons", 50_000, (2,)), ("two-moons-300", 300, (2,)), ("gaussian", 2000, (64,)), ("gaussian-5", 2000, (5,)),
    ("mixture", 2000, (3,)), ("mixture-50-70", 70, (50,)),
    ("gaussian-5-30", 30, (5,)),
])
def test_toys(name, n, shape):
    train, again = load_dataset(name), load_dataset(name)
    assert (train.n, train.shape, train.fingerprint) == (n, shape, again.fingerprint)
    assert train.held_out.fingerprint != train.fingerprint


def test_a_larger_gaussian_begins_with_the_smaller_one():
    assert torch.equal(load_dataset("gaussian-5-300")[:30], load_dataset("gaussian-5-30")[:])


def test_gaussian_has_the_moments_it_says():
    rows = load_dataset("gaussian")[:]
    # 128 000 standard normal values: five standard errors are 0.014 of the mean and sqrt(2) times that of the variance.
    assert abs(rows.mean()) < 0.014 and abs(rows.var() - 1) < 0.02


def test_a_bare_name_is_the_named_set_even_beside_a_file_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    saved(tmp_path / "digits" / "train.npy", np.zeros((3, 2)))
    monkeypatch.chdir(tmp_path)
    assert load_dataset("digits").n == 1500
    assert load_dataset("./digits").n == load_dataset(Path("digits")).n == 3


def test_a_path_without_test_part_is_all_training_rows(points):
    train = load_dataset(points)
    assert train.n == 20 and train.held_out is None and train.split == "train" and train.name == str(points)
    with pytest.raises(FmdiagError, match="no test part.*--held-out 0.1"):
        load_dataset(points, split="test")


@pytest.mark.parametrize("fraction", [0.25, "0.25"])
def test_a_fraction_is_held_out(points, fraction):
    train = load_dataset(points, held_out=fraction)
    test = load_dataset(points, held_out=fraction, split="test")
    assert (train.n, train.held_out.n, test.n, test.split) == (15, 5, 5, "test")
    assert test.fingerprint == train.held_out.fingerprint
    assert not set(train.rows[:, 0]) & set(test.rows[:, 0])


def test_a_subset_is_drawn_from_what_is_not_held_out(points):
    train = load_dataset(points, held_out=0.25, n=6)
    assert train.n == 6 and train.held_out.n == 5
    assert set(train.rows[:, 0]) < set(load_dataset(points, held_out=0.25).rows[:, 0])


@pytest.mark.parametrize("fraction", [0, 1, 1.5, "-0.1", "nan"])
def test_a_fraction_outside_is_refused(points, fraction):
    with pytest.raises(FmdiagError, match="between 0 and 1"):
        load_dataset(points, held_out=fraction)


def test_another_file_is_held_out(points, tmp_path):
    other = saved(tmp_path / "other.npy", np.ones((4, 2)))
    train = load_dataset(points, held_out=other)
    assert train.n == 20 and train.held_out.n == 4 and train.held_out.split == "test"
    assert load_dataset(points, held_out=str(other), split="test").n == 4


def test_a_held_out_file_of_another_shape_is_refused(points, tmp_path):
    other = saved(tmp_path / "other.npy", np.ones((4, 3)))
    with pytest.raises(FmdiagError, match=r"\(3,\).*\(2,\)"):
        _ = load_dataset(points, held_out=other).held_out


def test_flips_count_as_training_rows_only():
    train = load_dataset("digits", hflip=True)
    assert train.n == 3000 and train.held_out.n == 297
    assert load_dataset("digits", hflip=True, split="test").n == 297


def test_flips_of_channels_last_floats_are_refused(tmp_path):
    path = saved(tmp_path / "f.npy", np.zeros((4, 8, 9, 3), np.float32))
    with pytest.raises(FmdiagError, match="channels last"), pytest.warns(FmdiagWarning, match="channels last"):
        load_dataset(path, hflip=True)
    assert load_dataset(path, hflip=True, value_range=(0, 1)).shape == (3, 8, 9)


def test_size_resamples_stored_pictures(tmp_path):
    rows = np.full((3, 12, 8), 77, np.uint8)
    resized = load_dataset(saved(tmp_path / "grey.npy", rows), size=4)
    assert resized.shape == (1, 4, 4) and (resized.rows == 77).all()


@pytest.mark.parametrize(("source", "size", "message"), [
    ("digits", 16, "no other size"), ("two-moons", 4, "no other size|pictures of 8 bits"), ("digits", 0, "1 or more"),
])
def test_a_size_that_cannot_be_had_is_refused(source, size, message):
    with pytest.raises(FmdiagError, match=message):
        load_dataset(source, size=size)


@pytest.mark.parametrize(("source", "message"), [
    ("digit", "unknown data set 'digit': did you mean 'digits'.*photo-tiles"),
    ("nothing-like-it", "unknown data set.*two-moons"),
    ("gaussian-0", "unknown data set"),
    *[(f"{name}", "rows times dimension may be") for name in (
        "two-moons-1000000000", "gaussian-1000000-1000", "gaussian-100000000000000000000", "mixture-3-1000000000",
        "two-moons-" + "9" * 5000)],
    ("./digits", "no such file or folder"),
    ("missing.npy", "no such file or folder"),
    (Path("digits"), "no such file or folder"),
])
def test_unknown_sources_are_named(source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FmdiagError, match=message) as caught:
        load_dataset(source)
    assert "\n" not in str(caught.value)


def test_unknown_split_is_refused():
    with pytest.raises(FmdiagError, match="unknown split 'valid'"):
        load_dataset("digits", split="valid")


@pytest.mark.parametrize("name", [name for name in NAMED if name not in ("digits", "two-moons", "gaussian", "mixture")])
def test_offline_says_which_file_goes_where(name, data_root, monkeypatch):
    monkeypatch.setattr("fmdiag.datasets.published.Path", lambda place: data_root / "no-such-package")
    monkeypatch.setattr("fmdiag.datasets.photo_tiles.INSTALLED", data_root)
    with pytest.raises(FmdiagError, match=f"{name}: .*{data_root}") as caught:
        load_dataset(name, offline=True)
    assert "\n" not in str(caught.value)


def test_a_loaded_set_can_be_sent_to_another_process(points):
    train = pickle.loads(pickle.dumps(load_dataset(points, held_out=0.25)))
    assert train.held_out.n == 5
    assert pickle.loads(pickle.dumps(load_dataset("digits"))).held_out.n == 297


@pytest.mark.parametrize("target", ["x" * 300, "loop.png", "nowhere"], ids=["long", "loop", "dangling"])
def test_links_that_lead_nowhere_are_refused_by_name(tmp_path, target):
    (tmp_path / "loop.png").symlink_to(target)
    with pytest.raises(FmdiagError, match=f"{tmp_path}.*"):
        load_dataset(tmp_path)

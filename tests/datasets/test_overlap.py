"""Held-out rows that are training rows: found by content in any form, left out, said, and no verdict where many are."""

import itertools
import warnings

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.datasets.overlap import find_overlap
from fmdiag.diagnostics.memorization.measure import measure
from fmdiag.diagnostics.memorization.rule import verdict
from fmdiag.errors import FmdiagError, FmdiagWarning


def bytes_(n, seed, shape=(1, 6, 6)):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def stored(rows, way):
    """Return a TrainingSet of 8-bit rows in one of the ways to store them."""
    ways = {"uint8": lambda: TrainingSet(rows, 127.5, -1.0),
            "float32": lambda: TrainingSet(rows.astype(np.float32) / 255 * 2 - 1),
            "float64": lambda: TrainingSet(rows / 127.5 - 1),
            "unit": lambda: TrainingSet((rows / 255).astype(np.float32), 0.5, -1.0),
            "int64": lambda: TrainingSet(rows.astype(np.int64), 127.5, -1.0)}
    return ways[way]()


def pair(train, held_out, **options):
    held_out = TrainingSet(held_out, 127.5, -1.0)
    return TrainingSet(train, 127.5, -1.0, name="pictures", held_out_source=held_out, **options)


def judged(training_set, samples):
    table = measure(samples, training_set, n_closed_form=8, generator=torch.Generator().manual_seed(0))
    return verdict(table, not_judged=training_set.overlap.not_judged()).text


def test_fault_2_2_overlap_does_not_hide_copies():
    """A tenth of 200 samples are copies; a tenth of 200 held-out rows replaced by training rows changes nothing."""
    train, clean, fresh = bytes_(1000, 0), bytes_(200, 1), bytes_(200, 2)
    leaked = clean.copy()
    leaked[:20] = train[:20]
    fresh[:20] = train[500:520]
    samples = TrainingSet(fresh, 127.5, -1.0)[:]
    without, overlapping = pair(train, clean), pair(train, leaked)
    with pytest.warns(FmdiagWarning, match="20 of 200 held-out examples equal training examples and are left out"):
        found = judged(overlapping, samples)
    assert found.startswith("Copies found: 10.0%") and judged(without, samples).startswith("Copies found")
    assert "0.0% [0.0%, 2.0%] of 180 held-out examples" in found
    assert overlapping.overlap.describe() == {"n": 200, "training_rows": 20, "mirrored": 0, "used": 180}
    assert overlapping.cautions and not without.cautions
    # Given as an array, the row numbers are those of the array.
    with pytest.warns(FmdiagWarning, match="20 of 200"):
        table = measure(samples, without, held_out=overlapping.held_out[:], closed_form=False,
                        generator=torch.Generator().manual_seed(0))
    assert set(table[table["source"] == "heldout"]["sample"]) == set(range(20, 200))


def test_beyond_a_fifth_nothing_is_judged_and_all_of_them_are_refused():
    train, held_out = bytes_(300, 0), bytes_(100, 1)
    held_out[:21] = train[:21]
    with pytest.warns(FmdiagWarning, match="21 of 100"):
        assert judged(pair(train, held_out), TrainingSet(train, 127.5, -1.0)[:50]).startswith("Not judged: 21 of 100")
    with pytest.raises(FmdiagError, match="all 300 held-out examples equal training examples.*--held-out"):
        _ = pair(train, train).unseen


@pytest.mark.parametrize(("one", "other"), list(itertools.product(("uint8", "float32", "float64", "unit", "int64"),
                                                                  repeat=2)))
def test_content_counts_not_how_it_is_stored(one, other):
    train, held_out = bytes_(300, 0, (3, 5, 4)), bytes_(50, 1, (3, 5, 4))
    held_out[[4, 30]] = train[[299, 7]]
    held_out[9] = train[12, ..., ::-1]
    found = find_overlap(stored(held_out, other), stored(train, one))
    assert found.rows.tolist() == [4, 9, 30] and found.n_mirrored == 1


def test_brute_force_agrees_on_points_of_a_coarse_grid():
    """Rows of two coordinates recur often, also within either set."""
    rng = np.random.default_rng(0)
    train, held_out = (rng.integers(0, 30, (n, 2)).astype(np.float32) for n in (200, 100))
    expected = [k for k, row in enumerate(held_out) if (train == row).all(1).any()]
    found = find_overlap(TrainingSet(held_out.astype(np.float64)), TrainingSet(train))
    assert found.rows.tolist() == expected and 10 < len(expected) < 40
    repeated = sum((train == row).all(1).sum() > 1 for row in train)
    assert found.n_repeated == repeated
    # Fresh rows hit the grid as often as training rows hit one another: they stay in the null.
    assert found.natural and found.not_judged() is None and len(found.kept) == 100
    assert "recur by themselves and stay in the null" in found.sentence()


def test_close_rows_are_no_overlap():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2000, 2)).astype(np.float32)
    assert not len(find_overlap(TrainingSet(rows.astype(np.float64) + 1e-4), TrainingSet(rows)).rows)
    assert not len(find_overlap(TrainingSet(np.nextafter(rows, 9)), TrainingSet(rows)).rows)


def test_zeros_of_either_sign_are_equal():
    assert find_overlap(TrainingSet(-np.zeros((1, 3))), TrainingSet(np.zeros((2, 3)))).rows.tolist() == [0]


def test_overlap_is_found_in_memory_maps_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr("fmdiag.datasets.overlap.BLOCK_BYTES", 1000)
    train, held_out = bytes_(300, 0), bytes_(100, 1)
    held_out[[0, 99]] = train[[299, 0]]
    for name, rows in (("train", train), ("test", held_out)):
        (tmp_path / "d").mkdir(exist_ok=True)
        np.save(tmp_path / "d" / f"{name}.npy", rows)
    found = load_dataset(tmp_path / "d")
    with pytest.warns(FmdiagWarning, match="2 of 100"):
        assert found.unseen.n == 98


def test_mirror_images_are_training_rows_where_flips_count():
    train, held_out = bytes_(50, 0), bytes_(20, 1)
    held_out[3] = train[5, ..., ::-1]
    assert pair(train, held_out, hflip=True).overlap.n_mirrored == 0
    assert pair(train, held_out).overlap.n_mirrored == 1


@pytest.mark.parametrize("name", ["digits", "two-moons", "gaussian", "mixture"])
def test_bundled_sets_have_no_overlap(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_dataset(name).unseen is not None

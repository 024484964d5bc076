"""Planting: every canary stands where and as often as the manifest says; nothing else changed; tampering is seen."""

import json

import numpy as np
import pytest
import torch

from fmdiag import TrainingSet, load_dataset
from fmdiag.datasets.canaries import SCHEMA, load_canaries, plant
from fmdiag.errors import FmdiagError

DIGITS = load_dataset("digits", n=30)


@pytest.fixture
def planted(tmp_path):
    manifest = plant(tmp_path, DIGITS, DIGITS.held_out, multiplicities=(1, 3), n_each=4, seed=1)
    (tmp_path / "canaries.json").write_text(json.dumps(manifest))
    return tmp_path


def test_the_folder_is_a_data_set_with_canaries_where_the_manifest_says(planted):
    train = load_dataset(planted)
    manifest = json.loads((planted / "canaries.json").read_text())
    assert manifest["schema"] == SCHEMA
    coin, times = (np.array([entry[name] for entry in manifest["canaries"]]) for name in ("coin", "multiplicity"))
    assert coin.tolist() == [1] * 4 + [3] * 4 and set(times * (times != coin)) == {0}
    assert train.n == 30 + times.sum() and train.fingerprint == manifest["train"]["fingerprint"]
    found = load_canaries(planted, train)
    assert found.multiplicity.tolist() == times.tolist() and found.coin.tolist() == coin.tolist()
    assert [len(rows) for rows in found.rows] == found.multiplicity.tolist()
    for image, rows, entry in zip(found.images, found.rows, manifest["canaries"], strict=True):
        # Nowhere else: held-out canaries are in no row at all.
        assert torch.nonzero((train[:] == image).flatten(1).all(1)).flatten().tolist() == rows
        assert torch.equal(image, DIGITS.held_out[entry["origin_row"]])
    rest = np.delete(np.arange(train.n), [row for rows in found.rows for row in rows])
    assert sorted(x.sum().item() for x in train[rest]) == sorted(x.sum().item() for x in DIGITS[:])
    # Canaries are not held-out rows any more.
    assert load_dataset(planted).held_out.n == DIGITS.held_out.n - 8


def test_a_fair_coin_of_its_own_decides_for_each_canary(tmp_path):
    # 60 fair coins: 30 planted on average, 13 to 47 with probability 1 - 8e-6; two seeds throw other coins.
    thrown = []
    for seed in (0, 1):
        (tmp_path / str(seed)).mkdir()
        manifest = plant(tmp_path / str(seed), DIGITS, DIGITS.held_out, multiplicities=(1, 2), n_each=30, seed=seed)
        thrown.append([entry["multiplicity"] > 0 for entry in manifest["canaries"]])
    assert all(13 <= sum(coins) <= 47 for coins in thrown) and thrown[0] != thrown[1]


def test_pictures_stay_bytes_and_blocks_change_nothing(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    rows, others = (rng.integers(0, 256, (n, 3, 4, 4), dtype=np.uint8) for n in (20, 9))
    train = TrainingSet(rows, 127.5, -1.0)
    images = TrainingSet(others, 127.5, -1.0)
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    manifests = [plant(tmp_path / "a", train, None, images=images, multiplicities=[2], n_each=3)]
    monkeypatch.setattr("fmdiag.datasets.canaries.ROWS_AT_ONCE", 3)
    manifests.append(plant(tmp_path / "b", train, None, images=images, multiplicities=[2], n_each=3))
    assert manifests[0] == manifests[1]
    stored = np.load(tmp_path / "a/train.npy")
    assert stored.dtype == np.uint8 and len(stored) == 26 and not (tmp_path / "a/test.npy").exists()
    assert {row.tobytes() for row in rows} <= {row.tobytes() for row in stored}
    np.testing.assert_array_equal(stored, np.load(tmp_path / "b/train.npy"))


def test_the_seed_decides_which_images_and_where(tmp_path, planted):
    for name, seed in (("same", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        found = plant(tmp_path / name, DIGITS, DIGITS.held_out, multiplicities=(1, 3), n_each=4, seed=seed)
        manifest = json.loads((planted / "canaries.json").read_text())
        assert (found == manifest) == (name == "same")


def test_what_does_not_belong_together_is_refused(planted, tmp_path):
    with pytest.raises(FmdiagError, match="is not in digits where it was planted"):
        load_canaries(planted, DIGITS)
    train = load_dataset(planted)
    np.save(planted / "canaries.npy", np.load(planted / "canaries.npy")[::-1])
    with pytest.raises(FmdiagError, match="is not what canaries.json describes"):
        load_canaries(planted, train)
    with pytest.raises(FmdiagError, match="nowhere.*no such canaries.json"):
        load_canaries(tmp_path / "nowhere", train)


@pytest.mark.parametrize(("options", "message"), [
    ({"n_each": 200}, "canaries are wanted"),
    ({"multiplicities": [0]}, "must be at least 1"),
    ({"images": load_dataset("two-moons-20")}, "canaries have shape"),
])
def test_wrong_wishes_are_refused(tmp_path, options, message):
    with pytest.raises(FmdiagError, match=message):
        plant(tmp_path, DIGITS, DIGITS.held_out, **options)


def test_training_rows_never_become_canaries(tmp_path):
    with pytest.raises(FmdiagError, match="0 distinct images that are no training examples"):
        plant(tmp_path, DIGITS, None, images=DIGITS)
    with pytest.raises(FmdiagError, match="give --images"):
        plant(tmp_path, DIGITS, None)

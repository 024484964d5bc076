"""Vectors of whole sets: computed once per content, found again whole or not at all."""

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.features import Feature, FeatureCache, embed
from fmdiag.features.embed import embed_rows

ROWS = np.random.default_rng(0).integers(0, 256, (50, 1, 4, 4), dtype=np.uint8)


def training_set(rows=ROWS, **options):
    return TrainingSet(rows, **({"divisor": 127.5, "shift": -1.0} | options))


class Counting:
    """A feature that counts the images it has seen."""

    def __init__(self, weights="w", **transform):
        self.seen = 0
        self.feature = Feature("counting", self.compute, transform, weights=weights, batch_size=16)

    def compute(self, images):
        self.seen += len(images)
        return images.reshape(len(images), -1)[:, :3] * 2


def oracle(rows=ROWS):
    return (rows.reshape(len(rows), -1)[:, :3] / np.float32(127.5) - 1) * 2


def test_the_second_time_nothing_is_computed(tmp_path):
    counting = Counting()
    first = embed(training_set(), counting.feature, cache=tmp_path)
    again = embed(training_set(ROWS.copy(), name="renamed"), counting.feature, cache=tmp_path)
    assert counting.seen == 50 and isinstance(again, np.memmap) and not again.flags.writeable
    np.testing.assert_allclose(first, oracle(), rtol=1e-6)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("other", [
    lambda cache: embed(training_set(ROWS + 1, name="array"), Counting().feature, cache=cache),
    lambda cache: embed(training_set(shift=-0.5), Counting().feature, cache=cache),
    lambda cache: embed(training_set(hflip=True), Counting().feature, cache=cache),
    lambda cache: embed(training_set(), Counting(weights="v").feature, cache=cache),
    lambda cache: embed(training_set(), Counting(size=224).feature, cache=cache),
], ids=["rows", "range", "flips", "weights", "transform"])
def test_anything_that_decides_the_vectors_makes_another_entry(tmp_path, other):
    embed(training_set(), Counting().feature, cache=tmp_path)
    other(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_arrays_are_known_by_content_too(tmp_path):
    counting, images = Counting(), training_set()[:]
    for values in (images, images.numpy().copy()):
        np.testing.assert_allclose(embed(values, counting.feature, cache=tmp_path), oracle(), rtol=1e-6)
    assert counting.seen == 50


def flip_a_byte(entry):
    content = bytearray((entry / "features.npy").read_bytes())
    content[-5] ^= 1
    (entry / "features.npy").write_bytes(content)


def cut_short(entry):
    content = (entry / "features.npy").read_bytes()
    (entry / "features.npy").write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("damage", [
    flip_a_byte, cut_short, lambda entry: (entry / "features.npy").unlink(),
    lambda entry: (entry / "entry.json").write_text("{"), lambda entry: (entry / "entry.json").write_text("[]")])
def test_a_damaged_entry_is_computed_again(tmp_path, damage):
    counting = Counting()
    embed(training_set(), counting.feature, cache=tmp_path)
    damage(next(tmp_path.iterdir()))
    with pytest.warns(FmdiagWarning, match="these features are computed again"):
        np.testing.assert_allclose(embed(training_set(), counting.feature, cache=tmp_path), oracle(), rtol=1e-6)
    assert counting.seen == 100
    embed(training_set(), counting.feature, cache=tmp_path)  # mended: no warning
    assert counting.seen == 100


def test_an_interruption_leaves_no_entry(tmp_path):
    def interrupted(batches):
        for batch in batches:
            if batch >= 32:
                raise KeyboardInterrupt
            yield batch

    with pytest.raises(KeyboardInterrupt):
        embed(training_set(), Counting().feature, cache=tmp_path, progress=interrupted)
    assert list(tmp_path.iterdir()) == []


def test_a_full_cache_costs_time_not_the_run(tmp_path):
    cache, counting = FeatureCache(tmp_path, max_bytes=4000), Counting()
    with pytest.warns(FmdiagWarning, match=r"not kept in the cache .*it holds 0.0 GB of at most 0.0 GB"):
        np.testing.assert_allclose(embed(training_set(), counting.feature, cache=cache), oracle(), rtol=1e-6)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file/below", "file"])
def test_fault_2_19_a_cache_that_cannot_be_written_costs_one_warning(tmp_path, place):
    """The vectors are computed once all the same: the cache object holds what the disk does not."""
    (tmp_path / "file").write_text("")
    cache, counting = FeatureCache(tmp_path / place), Counting()
    with pytest.warns(FmdiagWarning, match="not kept in the cache .*file.*FMDIAG_CACHE, or give --no-cache"):
        first = embed(training_set(), counting.feature, cache=cache)
    np.testing.assert_allclose(first, oracle(), rtol=1e-6)
    assert embed(training_set(), counting.feature, cache=cache) is first and counting.seen == 50
    embed(training_set(ROWS + 1), counting.feature, cache=cache)  # said once: a second warning would be an error


def test_fault_2_19_a_disk_that_fills_meanwhile_costs_one_warning(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    cache, counting = FeatureCache(tmp_path), Counting()
    monkeypatch.setattr("fmdiag.features.cache.np.lib.format.open_memmap", full)
    with pytest.warns(FmdiagWarning, match="No space left on device"):
        np.testing.assert_allclose(embed(training_set(), counting.feature, cache=cache), oracle(), rtol=1e-6)
    assert list(tmp_path.iterdir()) == []


def test_without_a_disk_vectors_are_held(tmp_path):
    cache, counting = FeatureCache(tmp_path / "none", disk=False), Counting()
    for _ in range(2):
        np.testing.assert_allclose(embed(training_set(), counting.feature, cache=cache), oracle(), rtol=1e-6)
    assert counting.seen == 50 and not (tmp_path / "none").exists()


def test_rows_are_taken_from_a_whole_set_that_is_kept(tmp_path):
    cache, counting, some, close = FeatureCache(tmp_path), Counting(), np.array([3, 10]), np.testing.assert_allclose
    close(embed_rows(training_set(), some, counting.feature, cache=cache), oracle()[some], rtol=1e-6)
    assert counting.seen == 2
    embed_rows(training_set(), np.arange(50), counting.feature, cache=cache)
    close(embed_rows(training_set(), some, counting.feature, cache=cache), oracle()[some], rtol=1e-6)
    close(embed_rows(training_set()[:], some, counting.feature), oracle()[some], rtol=1e-6)
    assert counting.seen == 54


def test_the_folder_is_chosen_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("FMDIAG_CACHE", str(tmp_path / "here"))
    assert FeatureCache().folder == tmp_path / "here"


def test_batches_and_memory_change_nothing(tmp_path):
    whole = embed(training_set(hflip=True), Counting().feature)
    assert whole.shape == (100, 3)
    np.testing.assert_allclose(whole[50:], oracle(ROWS[..., ::-1]), rtol=1e-6)
    for options in ({"batch_size": 7}, {"batch_size": 1000}, {"memory": 100}, {"cache": tmp_path, "batch_size": 49}):
        np.testing.assert_array_equal(embed(training_set(hflip=True), Counting().feature, **options), whole)


def test_functions_of_unknown_content_are_not_kept(tmp_path):
    embed(training_set(), lambda images: images.reshape(len(images), -1), cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_vectors_that_are_not_finite_are_named():
    feature = Feature("log", lambda x: torch.log(x.reshape(len(x), -1) + 1))
    with pytest.raises(FmdiagError, match="feature log: the vector of row 3 of rows holds NaN or infinity"):
        embed(TrainingSet(np.where(np.arange(9)[:, None] == 3, -2, 1).astype(np.float32), name="rows"), feature)


@pytest.mark.parametrize("returned", [lambda x: x[:1], lambda x: {"a": x}])
def test_networks_without_a_row_per_image_are_named(returned):
    with pytest.raises(FmdiagError, match="must return a tensor with a row per image"):
        embed(training_set(), Feature("odd", returned))

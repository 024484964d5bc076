"""Indexes that are not exact and how that is measured, near-duplicates, bounded memory: against brute force."""

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.features import Feature
from fmdiag.neighbors import SearchPlan, nearest, nearest_distinct, search

ROWS, NEW = np.split(np.random.default_rng(0).normal(size=(2250, 24)).astype(np.float32), [2000])
QUERIES = np.concatenate([ROWS[:150] + 0.01, NEW]).astype(np.float32)


def all_distances(queries, rows):
    queries, rows = queries.astype(float), rows.astype(float)
    return np.sqrt(np.stack([((query - rows) ** 2).sum(1) for query in queries]))


@pytest.mark.parametrize("index", ["ivf:2", "hnsw:2", "ivf", "hnsw"])
def test_distances_are_exact_and_recall_is_what_brute_force_says(index):
    found = nearest(QUERIES, TrainingSet(ROWS), n_neighbors=2, plan=SearchPlan(index))
    d = all_distances(QUERIES, ROWS)
    np.testing.assert_allclose(found.distances, np.take_along_axis(d, found.rows, 1), rtol=1e-12)
    best = np.sort(d, axis=1)[:, :2]
    assert (found.distances >= best * (1 - 1e-12)).all()
    right = (found.distances <= best * (1 + 1e-12)).all(1)
    checked = ~np.isnan(found.recalled)
    assert checked.sum() == 256
    np.testing.assert_array_equal(found.recalled[checked], right[checked])
    if ":" in index:  # so little effort must miss some, or the measurement shows nothing
        assert found.recalled[checked].mean() < 0.999
    else:  # the hardest rows there are: nothing but noise
        assert found.recalled[checked].mean() > 0.6


def test_all_cells_are_exact():
    found = nearest_distinct(QUERIES, TrainingSet(ROWS), plan=SearchPlan("ivf:10000"))
    exact = nearest_distinct(QUERIES, TrainingSet(ROWS))
    np.testing.assert_array_equal(found.rows1, exact.rows1)
    np.testing.assert_array_equal(found.d2, exact.d2)
    assert np.nanmin(found.recalled) == 1 and exact.recalled is None


def test_ivf_finds_the_same_rows_again():
    first, second = (nearest(QUERIES, TrainingSet(ROWS.copy()), n_neighbors=3, plan=SearchPlan("ivf:3"))
                     for _ in range(2))
    np.testing.assert_array_equal(first.rows, second.rows)


def test_cells_with_too_few_rows_are_made_up_for():
    found = nearest(QUERIES[:20], TrainingSet(ROWS[:40]), n_neighbors=30, plan=SearchPlan("ivf:1"))
    oracle = np.sort(all_distances(QUERIES[:20], ROWS[:40]), axis=1)[:, :30]
    np.testing.assert_allclose(found.distances, oracle, rtol=1e-12)


def test_excluded_rows_do_not_count_in_an_index():
    own = np.arange(60)
    found = nearest(ROWS[:60], TrainingSet(ROWS), exclude=own, plan=SearchPlan("ivf:10000"))
    d = all_distances(ROWS[:60], ROWS)
    d[own, own] = np.inf
    np.testing.assert_array_equal(found.rows[:, 0], d.argmin(1))


@pytest.mark.parametrize("tolerance", [0.0, 0.05, 1.0, 1e9])
def test_near_duplicates_are_left_out_of_d2(tolerance):
    """Rows in bunches of 1, 2 and 30 within 0.02 of each other; exact duplicates among them."""
    rng = np.random.default_rng(1)
    centers = rng.normal(size=(40, 6))
    bunches = [center + 0.003 * rng.normal(size=((1, 2, 30)[k % 3], 6)) for k, center in enumerate(centers)]
    rows = np.concatenate([*bunches, bunches[0]]).astype(np.float32)
    queries = (rows[::7] + 0.001).astype(np.float32)
    found = nearest_distinct(queries, TrainingSet(rows), plan=SearchPlan(tolerance=tolerance))
    d, between = all_distances(queries, rows), all_distances(rows, rows)
    first = d.argmin(1)
    equal = (rows[first][:, None] == rows[None]).all(-1)
    counted = np.where((between[first] > tolerance) & ~equal, d, np.inf)
    np.testing.assert_array_equal(found.rows1, first)
    np.testing.assert_allclose(found.d1, d.min(1), rtol=1e-12)
    np.testing.assert_allclose(found.d2, counted.min(1), rtol=1e-12)
    assert (found.rows2 == np.where(np.isinf(counted.min(1)), -1, counted.argmin(1))).all()


def test_near_duplicates_in_a_feature_space_are_near_there():
    def halves(images):
        return images[:, :3]

    rows = np.array([[0, 0, 0, 5], [0, 0, 0.01, 9], [1, 0, 0, 0]], np.float32)
    feature = Feature("halves", halves)
    found = nearest_distinct(rows[:1], TrainingSet(rows), feature=feature, plan=SearchPlan(tolerance=0.1))
    assert (found.rows1, found.rows2, found.d2) == (0, 2, 1)


def test_memory_bounds_blocks_and_changes_nothing(monkeypatch):
    sizes, blocks = [], search.Search._blocks

    def recording(self, dtype):
        for numbers, block in blocks(self, dtype):
            sizes.append(block.numpy().nbytes)
            yield numbers, block

    monkeypatch.setattr(search.Search, "_blocks", recording)
    whole = nearest(QUERIES, TrainingSet(ROWS), n_neighbors=3)
    assert max(sizes) == ROWS.nbytes
    sizes.clear()
    plan = SearchPlan(memory=100_000)
    parts = nearest(QUERIES, TrainingSet(ROWS), n_neighbors=3, plan=plan)
    assert max(sizes) <= search.BLOCK_BYTES * plan.scale < 13_000
    np.testing.assert_array_equal(parts.rows, whole.rows)
    np.testing.assert_array_equal(parts.distances, whole.distances)


def test_a_map_on_disk_is_searched_in_any_feature_space(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    mapped = TrainingSet(np.load(tmp_path / "rows.npy", mmap_mode="r"))
    feature = Feature("twice", lambda x: 2 * x[:, :10])
    for plan in (SearchPlan(), SearchPlan(memory=50_000), SearchPlan("ivf:10000")):
        found = nearest(QUERIES[:50], mapped, n_neighbors=2, feature=feature, plan=plan)
        oracle = np.sort(all_distances(2 * QUERIES[:50, :10], 2 * ROWS[:, :10]), axis=1)[:, :2]
        np.testing.assert_allclose(found.distances, oracle, rtol=1e-12)


def test_vectors_of_the_training_set_are_computed_once():
    seen = []

    def counting(images):
        seen.append(len(images))
        return images

    training_set, feature = TrainingSet(ROWS[:100]), Feature("counting", counting, batch_size=50)
    for _ in range(3):
        nearest(QUERIES[:5], training_set, feature=feature)
    assert sum(seen) == 100 + 3 * 5


@pytest.mark.parametrize("index", ["flat", "ivf"])
def test_no_queries_no_rows(index):
    """A rank may have no share of the samples."""
    feature = Feature("halves", lambda x: x[:, :12])
    found = nearest_distinct(QUERIES[:0], TrainingSet(ROWS), feature=feature, plan=SearchPlan(index))
    assert len(found.rows1) == len(found.d2) == 0


@pytest.mark.parametrize(("settings", "message"), [
    ({"index": "ifv"}, "unknown index 'ifv': did you mean 'ivf'"),
    ({"index": "flat:3"}, "index must be flat, ivf"),
    ({"index": "hnsw:0"}, "index must be flat, ivf"),
    ({"tolerance": -1.0}, "tolerance must be a distance"),
    ({"tolerance": float("nan")}, "tolerance must be a distance"),
])
def test_wrong_plans_are_named(settings, message):
    with pytest.raises(FmdiagError, match=message):
        SearchPlan(**settings)


def test_an_index_beyond_the_memory_is_refused():
    with pytest.raises(FmdiagError, match="index hnsw of 2000 rows takes 0.00 GB.*use index flat"):
        nearest(torch.from_numpy(QUERIES), TrainingSet(ROWS), plan=SearchPlan("hnsw", memory=100_000))

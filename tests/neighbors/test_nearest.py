"""The search against a brute force in float64, by differences: same rows, same distances, at any offset."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.neighbors import candidates, nearest, search

BACKENDS = ["faiss", "torch"]


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    if request.param == "faiss":
        pytest.importorskip("faiss")
    else:
        monkeypatch.setattr(candidates, "faiss", None)
    return request.param


def brute_force(queries, rows, k):
    """Return (rows, distances), ordered by (distance, row number)."""
    queries, rows = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (queries, rows))
    d2 = np.stack([((query - rows) ** 2).sum(1) for query in queries])
    order = np.argsort(d2, axis=1, kind="stable")[:, :k]
    return order, np.sqrt(np.take_along_axis(d2, order, 1))


def assert_exact(queries, rows, k):
    found = nearest(queries, TrainingSet(rows), n_neighbors=k)
    expected, distances = brute_force(queries, rows, k)
    np.testing.assert_array_equal(found.rows, expected)
    # Both sum d squares in float64: relative error at most about d 2^-53, 3e-13 at d = 3072.
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12, atol=0)


@pytest.fixture
def passes(monkeypatch):
    """Return a list that gets, for every pass, the dtype and whether each query was proven."""
    seen, run = [], search.Search._pass

    def recording(self, queries, part, k, exclude, count, dtype, found):
        proven = run(self, queries, part, k, exclude, count, dtype, found)
        seen.append((dtype, proven))
        return proven

    monkeypatch.setattr(search.Search, "_pass", recording)
    return seen


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("dim", [2, 3072])
def test_equals_brute_force_with_near_copies(backend, offset, dim):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, dim)) + offset
    rows = np.concatenate([rows, rows[:40] + 1e-3 * rng.normal(size=(40, dim))]).astype(np.float32)
    copies = rows[:30] + 1e-4 * rng.normal(size=(30, dim)).astype(np.float32)
    fresh = (rng.normal(size=(10, dim)) + offset).astype(np.float32)
    assert_exact(np.concatenate([copies, rows[90:100], fresh]), rows, 5)


def test_training_rows_are_at_distance_zero(backend):
    rows = np.random.default_rng(1).integers(0, 256, size=(300, 3, 32, 32), dtype=np.uint8)
    training_set = TrainingSet(rows, divisor=127.5, shift=-1.0)
    found = nearest(training_set[slice(0, 50)], training_set)
    np.testing.assert_array_equal(found.rows[:, 0], np.arange(50))
    assert (found.distances == 0).all()


def test_float32_cannot_decide_between_far_clusters(backend, passes):
    """Clusters at +-1e4, rows 1e-2 apart: float32 d² is off by more than any gap, and the second pass must notice."""
    rng = np.random.default_rng(2)
    centers = np.where(np.arange(400) % 2, 1e4, -1e4)[:, None]
    rows = (centers + 1e-2 * rng.normal(size=(400, 16))).astype(np.float32)
    assert_exact(rows[:20] + np.float32(2e-3), rows, 3)
    assert not passes[0][1].any() and passes[0][0] == torch.float32
    assert passes[-1][1].all() and passes[-1][0] == torch.float64


def test_more_ties_than_candidates_widen_the_search(backend, passes):
    """100 rows on a circle around the query: the three lowest numbers win, though any 17 are as near."""
    rows = np.random.default_rng(3).normal(size=(500, 2)).astype(np.float32) + 10
    rows[77:477:4] = [1, 0]
    found = nearest(np.zeros((1, 2), np.float32), TrainingSet(rows), n_neighbors=3)
    np.testing.assert_array_equal(found.rows, [[77, 81, 85]])
    assert len(passes) > 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 4), st.integers(1, 4),
       st.sampled_from([0.0, 1000.0, 1e6]))
def test_integer_grids_full_of_ties(seed, n, dim, side, offset):
    rng = np.random.default_rng(seed)
    rows = (rng.integers(0, side, size=(n, dim)) + offset).astype(np.float32)
    assert_exact((rng.integers(0, side, size=(6, dim)) + offset).astype(np.float32), rows, min(n, 3))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.sampled_from([1e-3, 1.0, 1e3]), st.sampled_from([0.0, 30.0]),
       st.sampled_from(BACKENDS))
def test_the_error_bound_holds(seed, dim, scale, offset, name):
    """Every candidate's computed d² is within the bound of its exact value: the proof rests on this."""
    with pytest.MonkeyPatch.context() as patch:
        if name == "torch":
            patch.setattr(candidates, "faiss", None)
        rng = np.random.default_rng(seed)
        rows = (scale * (rng.normal(size=(50, dim)) + offset * rng.integers(0, 2, size=(50, 1)))).astype(np.float32)
        queries = rows[:25] + (1e-4 * scale * rng.normal(size=(25, dim))).astype(np.float32)
        exact_search = search.Search(TrainingSet(rows), np.arange(50), torch.device("cpu"))
        found, d2, error = exact_search._candidates(queries, 50, torch.float32)
    exact = ((queries[:, None].astype(float) - rows[found]) ** 2).sum(-1)
    assert (np.abs(d2 - exact) <= error[:, None]).all()


def test_results_do_not_depend_on_blocks_batches_or_threads(monkeypatch):
    rng = np.random.default_rng(4)
    training_set = TrainingSet(rng.integers(0, 256, size=(300, 1, 9, 9), dtype=np.uint8), divisor=127.5, shift=-1.0)
    queries = training_set[slice(0, 64)] + 0.05 * torch.from_numpy(rng.normal(size=(64, 1, 9, 9))).float()
    whole = nearest(queries, training_set, n_neighbors=4)
    for name, value in (("BLOCK_BYTES", 7 * 81 * 4), ("CANDIDATES", 50),
                        ("QUERY_BYTES", 11 * 81 * 8), ("SCORE_BYTES", 5 * 81 * 8)):
        with monkeypatch.context() as patch:
            patch.setattr(search, name, value)
            again = nearest(queries, training_set, n_neighbors=4)
        assert (again.rows == whole.rows).all() and (again.distances == whole.distances).all()
    parts = [nearest(queries[i : i + 10], training_set, n_neighbors=4) for i in range(0, 64, 10)]
    assert (np.concatenate([part.distances for part in parts]) == whole.distances).all()
    before = torch.get_num_threads()
    torch.set_num_threads(2 if before == 1 else 1)
    try:
        assert (nearest(queries, training_set, n_neighbors=4).distances == whole.distances).all()
    finally:
        torch.set_num_threads(before)


def test_faiss_gets_its_number_of_threads_back():
    faiss = pytest.importorskip("faiss")
    before = faiss.omp_get_max_threads()
    nearest(np.zeros((1, 2), np.float32), TrainingSet(np.eye(2, dtype=np.float32)))
    assert faiss.omp_get_max_threads() == before


def test_excluded_rows_do_not_count(backend):
    rows = np.random.default_rng(5).normal(size=(60, 3)).astype(np.float32)
    training_set = TrainingSet(rows)
    own = np.arange(60)
    found = nearest(rows, training_set, n_neighbors=2, exclude=own)
    expected, distances = brute_force(rows, rows, 3)
    np.testing.assert_array_equal(found.rows, expected[:, 1:])
    np.testing.assert_allclose(found.distances, distances[:, 1:], rtol=1e-12)
    none = nearest(rows, training_set, n_neighbors=2, exclude=np.full(60, -1))
    np.testing.assert_array_equal(none.rows, expected[:, :2])


def test_a_feature_is_searched_in_its_own_space():
    rng = np.random.default_rng(6)
    training_set = TrainingSet(rng.normal(size=(80, 5)).astype(np.float32))
    queries = torch.from_numpy(rng.normal(size=(9, 5)).astype(np.float32))

    def first_two(images):
        return images[:, :2]

    first_two.name = "first two"
    found = nearest(queries, training_set, n_neighbors=3, feature=first_two)
    np.testing.assert_array_equal(found.rows, brute_force(queries[:, :2], training_set.rows[:, :2], 3)[0])


def test_float64_queries_keep_their_digits():
    rows = np.array([[0.0], [1.0]], np.float32)
    found = nearest(np.array([[0.5 + 1e-12], [0.5 - 1e-12]]), TrainingSet(rows))
    np.testing.assert_array_equal(found.rows[:, 0], [1, 0])


def test_overflow_in_float32_is_searched_again():
    rows = np.array([[1e25], [2e25], [-1e25]], np.float32)
    assert_exact(np.array([[1.4e25], [-3e25]], np.float32), rows, 2)


def test_queries_beyond_all_measure_end_the_search():
    found = nearest(np.array([[1e200]]), TrainingSet(np.arange(40, dtype=np.float32)[:, None]))
    assert np.isinf(found.distances).all()


@pytest.mark.parametrize(("change", "message"), [
    (lambda q: q[:, :2], r"shape \(q, 3\)"),
    (lambda q: np.where(np.arange(4)[:, None] == 2, np.nan, q), "query 2 holds NaN"),
])
def test_bad_queries_are_named(change, message):
    queries = np.zeros((4, 3), np.float32)
    with pytest.raises(FmdiagError, match=message):
        nearest(change(queries), TrainingSet(np.eye(3, dtype=np.float32)))


def test_more_neighbours_than_rows_are_refused():
    training_set = TrainingSet(np.eye(3, dtype=np.float32))
    with pytest.raises(FmdiagError, match=r"in \[1, 3\].*got 4"):
        nearest(np.zeros((1, 3)), training_set, n_neighbors=4)
    with pytest.raises(FmdiagError, match=r"in \[1, 2\].*got 3"):
        nearest(np.zeros((1, 3)), training_set, n_neighbors=3, exclude=np.array([0]))


def test_nan_in_the_training_rows_is_named():
    rows = np.eye(3, dtype=np.float32)
    rows[1, 1] = np.nan
    with pytest.raises(FmdiagError, match="row 1 holds NaN"):
        nearest(np.zeros((1, 3)), TrainingSet(rows))

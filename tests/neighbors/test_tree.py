"""A k-d tree in few dimensions: the same neighbours as brute force, however dense the rows and whatever the ties."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.neighbors import nearest, nearest_distinct, tree


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(tree, "FEWEST", 50)


def brute_force(queries, rows, k):
    d = cdist(queries.astype(float), rows.astype(float))
    order = np.lexsort((np.broadcast_to(np.arange(len(rows)), d.shape), d), axis=1)[:, :k]
    return order, np.take_along_axis(d, order, 1)


@pytest.mark.parametrize("dim", [1, 2, 5, 8])
@pytest.mark.parametrize("spacing", [1.0, 1e-7])
def test_fault_5_low_many_rows_in_few_dimensions(dim, spacing):
    """At a spacing of 1e-7 around 1 float32 products cannot order the rows; on a grid there are many ties."""
    rng = np.random.default_rng(0)
    rows = (1 + spacing * rng.integers(-4, 5, (600, dim))).astype(np.float32)
    queries = (1 + spacing * rng.normal(size=(40, dim))).astype(np.float32)
    queries[:20] = rows[:20]
    found = nearest(queries, TrainingSet(rows), n_neighbors=3)
    expected, distances = brute_force(queries, rows, 3)
    np.testing.assert_array_equal(found.rows, expected)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)


def test_only_the_rows_asked_for_and_not_the_excluded():
    rows = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    data = TrainingSet(np.repeat(rows, 2, axis=0))
    found = nearest_distinct(torch.from_numpy(rows[:50]), data)
    assert (found.rows1 == 2 * np.arange(50)).all() and (found.d1 == 0).all() and (found.d2 > 0).all()
    again = nearest(torch.from_numpy(rows[:50]), data, n_neighbors=1, exclude=2 * np.arange(50))
    assert (again.rows[:, 0] == 2 * np.arange(50) + 1).all()


def test_a_row_that_is_not_finite_is_named():
    rows = np.zeros((200, 2), np.float32)
    rows[77, 1] = np.nan
    with pytest.raises(FmdiagError, match="row 77"):
        nearest(np.zeros((3, 2), np.float32), TrainingSet(rows))

"""Probability flow distance: Gaussian flows with known maps, equal maps, the order of noises, and its interval."""

import numpy as np
import pytest
import torch

from fmdiag.errors import FmdiagError
from fmdiag.fields.gaussian import GaussianFlow
from fmdiag.metrics import pfd
from fmdiag.sampling import sample

MEANS, ROOTS = ([0.5, -1.0], [0.0, 0.3]), ([[1.5, 0.4], [0.4, 0.8]], [[0.7, -0.1], [-0.1, 0.6]])


def ends(noise):
    """Return the end points of two flows x1 = mean + root x0: their lines are straight, so that one step is exact."""
    return [sample(GaussianFlow(np.array(mean), np.linalg.matrix_power(np.array(root), 2)), noise, n_steps=1)
            for mean, root in zip(MEANS, ROOTS, strict=True)]


def test_two_gaussian_flows_have_the_distance_of_their_maps():
    """PFD² = |m|² + |C|² with m, C the differences of means and roots.

    The variance of |m + Cz|² is 2 |C'C|² + 4 |C'm|²; four standard errors of 4000 noises. The interval is that of the
    mean of squares.
    """
    noise = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    a, b = ends(noise)
    m, c = np.subtract(*map(np.array, MEANS)), np.subtract(*map(np.array, ROOTS))
    np.testing.assert_allclose(a - b, m + noise.numpy() @ c.T, rtol=1e-9, atol=1e-12)
    row = pfd.measure(a, b).iloc[0]
    exact = np.square(m).sum() + np.square(c).sum()
    error = np.sqrt((2 * np.square(c.T @ c).sum() + 4 * np.square(c.T @ m).sum()) / 4000)
    assert abs(row["value"] ** 2 - exact) < 4 * error
    assert row["high"] ** 2 - row["low"] ** 2 == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert row["value"] == pytest.approx(pfd.flow_distance(a, b), rel=1e-14) and row["n"] == 4000


def test_equal_maps_are_at_zero_and_the_order_of_noises_is_of_no_matter():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 30, 5))
    assert tuple(pfd.measure(a, a)[["value", "low", "high"]].iloc[0]) == (0, 0, 0)
    order = rng.permutation(30)
    assert pfd.flow_distance(a[order], b[order]) == pytest.approx(pfd.flow_distance(a, b), rel=1e-14)
    assert pfd.flow_distance(b, a) == pfd.flow_distance(a, b) != pfd.flow_distance(a[order], b)


def test_the_interval_holds_its_level():
    """500 sets of 50 squares of normal distances, PFD 1: P[at least 45 misses] < 1e-4 at 5 % each.

    Squares of normal values are skewed: of 50 of them Student's interval misses about 6 to 7 %, 33 of 500.
    """
    distances = np.random.default_rng(1).normal(size=(500, 50, 4)) / 2
    found = np.array([pfd.of_distances(np.linalg.norm(one, axis=1)) for one in distances])
    assert np.sum((found[:, 1] > 1) | (found[:, 2] < 1)) < 45


def test_arrays_that_do_not_pair_up_are_refused():
    with pytest.raises(FmdiagError, match="same noises, got 3 and 4"):
        pfd.flow_distance(np.zeros((3, 2)), np.zeros((4, 2)))

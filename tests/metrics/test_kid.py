"""KID: the definition by loops, torchmetrics, zero mean under the same law, coverage."""

import itertools

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import KernelInceptionDistance

from fmdiag.errors import FmdiagError
from fmdiag.metrics.kid import _row_sums as row_sums
from fmdiag.metrics.kid import kernel_distance, measure, standard_error, subset_distance


def gaussian(n, dim, seed):
    return np.random.default_rng(seed).normal(size=(n, dim))


def kernel(x, y):
    return (float(x @ y) / len(x) + 1) ** 3


def test_equals_the_definition_pair_by_pair():
    a, b = gaussian(7, 3, 0), gaussian(5, 3, 1) + 1
    within = [np.mean([kernel(x, y) for x, y in itertools.permutations(s, 2)]) for s in (a, b)]
    across = np.mean([kernel(x, y) for x, y in itertools.product(a, b)])
    assert kernel_distance(a, b) == pytest.approx(sum(within) - 2 * across, rel=1e-12)
    assert kernel_distance(b, a) == pytest.approx(kernel_distance(a, b), rel=1e-12)


def test_equals_torchmetrics_on_the_whole_sets(torchmetrics_value):
    """A subset as large as both sets is the sets themselves, in whatever order."""
    a, b = gaussian(60, 8, 0), gaussian(60, 8, 1) * 1.3 + 0.2
    peer, _ = torchmetrics_value(KernelInceptionDistance, b, a, subsets=1, subset_size=60)
    assert kernel_distance(a, b) == pytest.approx(peer.item(), rel=1e-10)
    assert subset_distance(a, b, n_subsets=1, size=60, rng=np.random.default_rng(0))[0] == pytest.approx(
        peer.item(), rel=1e-10)


def test_blocks_change_nothing(monkeypatch):
    a, b = gaussian(50, 4, 0), gaussian(30, 4, 1)
    whole = kernel_distance(a, b)
    monkeypatch.setattr("fmdiag.metrics.kid.BLOCK_ENTRIES", 100)
    assert kernel_distance(a, b) == pytest.approx(whole, rel=1e-12)


def test_the_standard_error_equals_leaving_out_by_hand():
    a, b = gaussian(9, 3, 0), gaussian(11, 3, 1)
    variance = sum((len(s) - 1) / len(s) * np.square(t - t.mean()).sum() for s, t in (
        (a, np.array([kernel_distance(np.delete(a, i, 0), b) for i in range(9)])),
        (b, np.array([kernel_distance(a, np.delete(b, i, 0)) for i in range(11)]))))
    assert standard_error(*row_sums(a, b)) == pytest.approx(np.sqrt(variance), rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_intervals_cover(shift):
    """200 repetitions; fewer than 178 successes have a probability below 1e-4 at a coverage of 0.95.

    E k(x, y) for x ~ N(0, I), y ~ N(s 1, I) in d dimensions, z = x·y/d: E z = 0, E z² = 1/d + s²/d, E z³ = 0, so
    E k = 1 + 3 (1 + s²)/d. Within y: E z = s², Var z = (1 + 2 s²)/d, and E z³ = s⁶ + 3 s² Var z + third central
    moment, 6 s²/d² (x·y/d = s² + s (u + v)/sqrt d + u·v/d, whose third central moment is 6 s²/d²).
    """
    d, s2 = 4, shift**2
    within_y = 1 + 3 * s2 + 3 * (s2**2 + (1 + 2 * s2) / d) + s2**3 + 3 * s2 * (1 + 2 * s2) / d + 6 * s2 / d**2
    true = (1 + 3 / d) + within_y - 2 * (1 + 3 * (1 + s2) / d)
    hits, values = 0, []
    for k in range(200):
        rng = np.random.default_rng([2, k])
        sums = row_sums(rng.normal(size=(150, d)), rng.normal(size=(120, d)) + shift)
        value, error = kernel_distance_of(sums), standard_error(*sums)
        values.append(value)
        hits += abs(value - true) <= 1.96 * error
    assert abs(np.mean(values) - true) < 4 * np.std(values) / np.sqrt(200)
    assert hits >= 178


def kernel_distance_of(sums):
    aa, bb, ab, _ = sums
    m, n = len(aa), len(bb)
    return aa.sum() / m / (m - 1) + bb.sum() / n / (n - 1) - 2 * ab.sum() / m / n


def test_rows_of_the_table():
    table = measure(gaussian(40, 3, 0), gaussian(80, 3, 1), gaussian(30, 3, 2), n_subsets=5,
                    generator=torch.Generator().manual_seed(0))
    assert list(table["metric"]) == ["kid_train"] * 2 + ["kid_test"] * 2
    assert list(table["definition"]) == ["kid/binkowski-2018-all-pairs", "kid/binkowski-2018-5x40",
                                         "kid/binkowski-2018-all-pairs", "kid/binkowski-2018-5x30"]
    assert (table["low"] < table["value"]).all() and (table["value"] < table["high"]).all()


def test_bad_input():
    with pytest.raises(FmdiagError, match="subsets of 9 rows from sets of 5 and 8"):
        subset_distance(gaussian(5, 2, 0), gaussian(8, 2, 1), size=9, rng=np.random.default_rng(0))

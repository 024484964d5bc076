"""Precision, recall, density, coverage: which argument is real, brute force, ties, chance level."""

import numpy as np
import pytest
import torch
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

from fmdiag.errors import FmdiagError
from fmdiag.metrics.prdc import measure, prdc


def gaussian(n, dim, seed):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def brute_force(real, generated, k):
    """Return the four from scikit-learn's neighbours and the whole matrix of distances."""
    r, g = (NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)[0][:, -1] for x in (real, generated))
    d = pairwise_distances(real.astype(float), generated.astype(float))
    return {"precision": (d < r[:, None]).any(0).mean(), "recall": (d < g).any(1).mean(),
            "density": (d < r[:, None]).sum(0).mean() / k, "coverage": (d.min(1) < r).mean()}


@pytest.mark.parametrize("k", [1, 3, 5])
def test_equals_brute_force(k, monkeypatch):
    real, generated = gaussian(80, 4, 0), gaussian(60, 4, 1) * 1.2
    expected = brute_force(real, generated, k)
    assert prdc(real, generated, k) == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr("fmdiag.metrics.prdc.BLOCK_ENTRIES", 300)
    assert prdc(real, generated, k) == pytest.approx(expected, rel=1e-12)


def test_real_comes_first():
    """One tight cluster of samples in a corner of the real rows: each is realistic, most real rows are missed."""
    real, generated = gaussian(300, 2, 0), 0.05 * gaussian(300, 2, 1)
    values = prdc(real, generated)
    assert values["precision"] > 0.95 and values["recall"] < 0.1 and values["coverage"] < 0.2
    swapped = prdc(generated, real)
    assert (swapped["precision"], swapped["recall"]) == (values["recall"], values["precision"])
    table = measure(generated, real, generator=torch.Generator().manual_seed(0)).set_index("metric")["value"]
    assert table["precision_train"] == values["precision"] and table["recall_train"] == values["recall"]


def test_ties_on_the_sphere_are_outside():
    """Copies on a lattice: at k = 1 every radius is 1 and every other row lies exactly on it; only itself is inside."""
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6)), -1).reshape(-1, 2).astype(np.float32)
    for shift in (0.0, 1000.1):
        values = prdc(grid + np.float32(shift), grid + np.float32(shift), n_neighbors=1)
        assert values["density"] == 1 and values["precision"] == values["recall"] == values["coverage"] == 1


def test_copies_whose_distances_are_not_exact_in_binary():
    """The k-th neighbour of a row, copied, lies on its sphere: never inside, so that the density is exactly 1."""
    real = gaussian(60, 7, 0) * np.float32(0.1) + 5
    assert prdc(real, real, n_neighbors=1)["density"] == 1
    # By the expanded form in float32, as pairwise distances are often computed, rounding decides:
    matrix = torch.cdist(torch.from_numpy(real), torch.from_numpy(real), compute_mode="use_mm_for_euclid_dist").numpy()
    radius = NearestNeighbors(n_neighbors=2).fit(real).kneighbors(real)[0][:, -1]
    assert (matrix < radius[:, None]).sum(0).mean() != 1


def test_density_and_coverage_of_a_perfect_sampler():
    """Naeem et al., section 3: real and generated of one law, n = m: density 1, coverage about 1 - 2^-k = 0.96875.

    20 repetitions of 200 rows: the jackknife interval of one has a half width near 0.05; the mean is 20 times tighter
    in variance, so 0.05 is more than four standard errors.
    """
    values = [prdc(gaussian(200, 3, [k, 0]), gaussian(200, 3, [k, 1])) for k in range(20)]
    assert np.mean([v["density"] for v in values]) == pytest.approx(1, abs=0.05)
    assert np.mean([v["coverage"] for v in values]) == pytest.approx(1 - 2**-5, abs=0.02)


def test_intervals_cover_the_expected_value():
    """25 repetitions: fewer than 18 successes have a probability below 2e-5 at a coverage of 0.95.

    The expected value at this n is their mean; the jackknife errs on the wide side.
    """
    tables = [measure(gaussian(60, 3, [k, 0]) * 0.9, gaussian(70, 3, [k, 1]),
                      generator=torch.Generator().manual_seed(k)) for k in range(25)]
    for name in ("precision_train", "recall_train", "density_train", "coverage_train"):
        rows = [table.set_index("metric").loc[name] for table in tables]
        expected = np.mean([row["value"] for row in rows])
        assert sum(row["low"] <= expected <= row["high"] for row in rows) >= 18, name


@pytest.mark.parametrize("k", [0, 5, 9])
def test_k_beyond_the_rows_is_refused(k):
    with pytest.raises(FmdiagError, match=r"n_neighbors must be in \[1, 4\]"):
        prdc(gaussian(8, 2, 0), gaussian(5, 2, 1), n_neighbors=k)


def test_constant_features():
    values = prdc(np.ones((8, 2)), np.ones((9, 2)), n_neighbors=2)
    assert values == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_fault_3_9_no_interval_is_empty_or_leaves_its_range():
    """Equal sets and sets far apart: shares of 1 and of 0, whose jackknife has no width."""
    rows = gaussian(40, 2, 0)
    for generated in (rows, rows + 100):
        table = measure(generated, rows, generator=torch.Generator().manual_seed(0)).set_index("metric")
        shares = table.drop("density_train")
        assert (shares["high"] - shares["low"] > 0.05).all() and shares[["low", "high"]].stack().between(0, 1).all()
    assert table.loc["coverage_train", "high"] == pytest.approx(1 - 0.025 ** (1 / 40))
    assert table.loc["density_train", "interval"] == "none"


def test_fault_3_9_intervals_of_coverage_hold():
    """Equal distributions, 40 rows each: the mean of the values is the truth. Of 20 intervals at least 15 hold it."""
    tables = [measure(gaussian(40, 2, [0, k]), gaussian(40, 2, [1, k]), generator=torch.Generator().manual_seed(k))
              for k in range(20)]
    found = np.array([table.set_index("metric").loc["coverage_train", ["value", "low", "high"]].astype(float)
                      for table in tables])
    truth = found[:, 0].mean()
    assert ((found[:, 1] <= truth) & (truth <= found[:, 2])).sum() >= 15     # fewer: probability 3e-4

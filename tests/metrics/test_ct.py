"""C_T: SciPy's Mann-Whitney statistic cell by cell, its direction, its size under the null, cells with few samples."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from fmdiag.errors import FmdiagError
from fmdiag.metrics.ct import data_copying, measure


def blobs(n, dim, *seed):
    """Return rows of three well separated Gaussians: any k-means finds the same three cells."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, dim)) + 30 * rng.integers(0, 3, n)[:, None]).astype(np.float32)


def by_scipy(samples, train, test):
    """Return the weighted mean of z-scored statistics, from the library's own pieces."""
    if train.shape[1] > 64:
        pca = PCA(64, svd_solver="full").fit(train)
        samples, train, test = (pca.transform(x) for x in (samples, train, test))
    cells = KMeans(3, n_init=10, random_state=0).fit(train)
    labels = [cells.predict(x) for x in (samples, train, test)]
    total = weight = 0
    for cell in range(3):
        own, rows, others = (x[label == cell] for x, label in zip((samples, train, test), labels, strict=True))
        if len(own) > 20:
            search = NearestNeighbors(n_neighbors=1).fit(rows)
            u = stats.mannwhitneyu(search.kneighbors(own)[0][:, 0], search.kneighbors(others)[0][:, 0],
                                   alternative="less").statistic
            m, n = len(own), len(others)
            z = (u - m * n / 2 + 0.5) / np.sqrt(m * n * (m + n + 1) / 12)
            total, weight = total + z * n / len(test), weight + n / len(test)
    return total / weight


@pytest.mark.parametrize("dim", [3, 80])
def test_equals_the_definition_from_scipy(dim):
    """In 80 dimensions components are rounded to float32 before distances are ranked, so one of the 50 x 40 pairs of a
    cell may swap: by 1 / sqrt(50 * 40 * 91 / 12) in its z, a third of that in C_T, about 0.003."""
    samples, train, test = blobs(150, dim, 0), blobs(300, dim, 1), blobs(120, dim, 2)
    tolerance = {"rel": 1e-5} if dim == 3 else {"abs": 0.0035}
    assert data_copying(samples, train, test) == pytest.approx(by_scipy(samples, train, test), **tolerance)


def test_cells_with_twenty_samples_or_fewer_do_not_count():
    samples, train, test = blobs(150, 3, 0), blobs(300, 3, 1), blobs(120, 3, 2)
    samples = np.concatenate([samples[samples[:, 0] > 15], samples[samples[:, 0] < 15][:20]])
    assert data_copying(samples, train, test) == pytest.approx(by_scipy(samples, train, test), rel=1e-5)
    with pytest.raises(FmdiagError, match="no cell has more than 20"):
        measure(samples[:20], train, test, generator=torch.Generator().manual_seed(0))


def test_negative_means_copying_positive_means_underfitting():
    train, test = blobs(300, 3, 1), blobs(200, 3, 2)
    near = train[:200] + np.float32(0.01)
    assert data_copying(near, train, test) < -5
    assert data_copying(blobs(200, 3, 4) + np.random.default_rng(0).normal(size=(200, 3)) * 3, train, test) > 3


def test_under_the_null_it_is_standardised_and_the_interval_holds_zero():
    """20 independent sets: |mean| <= 4 / sqrt(20) * sd, sd at most 1 but for chance (chi-square, 19 df: 1.5)."""
    values, hits = [], 0
    for k in range(20):
        sets = blobs(150, 3, k, 0), blobs(300, 3, k, 1), blobs(150, 3, k, 2)
        row = measure(*sets, generator=torch.Generator().manual_seed(k)).iloc[0]
        values.append(row["value"])
        hits += row["low"] <= 0 <= row["high"]
    assert abs(np.mean(values)) < 0.9 and 0.3 < np.std(values) < 1.5
    # 20 repetitions at coverage 0.95: 14 or fewer have a probability below 4e-4. The training rows are shared by both.
    assert hits >= 15

"""Data-copying test C_T: whether samples are closer to training rows than test rows are, region by region.

    Z(cell) = (U - (n m / 2 - 1/2)) / sqrt(n m (n + m + 1) / 12)
    C_T     = sum over cells of P_test(cell) Z(cell) / sum of P_test(cell)

U counts the pairs (sample, test row) in a cell with the *sample* further from the cell's training rows (ties half); n
test rows, m samples there. Cells are the 3 clusters of k-means on the training rows, in their first 64 principal
components where features have more; only cells with more than 20 samples count.

Far below 0 (below about -3): samples are closer than test rows, copying. Far above 0: underfitting. Without copying C_T
is nearly normal with a standard deviation at most 1, whatever the size of the sets; with copying it grows like sqrt(n).

References
----------
Meehan, Chaudhuri, Dasgupta 2020, A non-parametric test to detect data-copying in generative models, section 4.
"""

import warnings

import numpy as np
from scipy import stats

from fmdiag.errors import FmdiagError
from fmdiag.metrics.arrays import checked, numpy_generator
from fmdiag.metrics.near_rows import near_rows
from fmdiag.metrics.table import metric_row, metric_table
from fmdiag.stats.resampling import GROUPS, from_left_out, group_labels

DEFINITION = "ct/meehan-2020-pca{}-{}means-cells-above-{}"
REFERENCE = "C. Meehan et al. 2020"
NEEDS_TEST = True
CELLS, DIMENSIONS, FEWEST = 3, 64, 20


def data_copying(generated, train, test, *, n_cells=CELLS, fewest=FEWEST, seed=0):
    """Return C_T, a float; NaN if no cell has more than `fewest` samples and a test row.

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features; train needs at least `n_cells` rows.
    seed : int
        Of k-means.
    """
    arrays = checked(least={"train": n_cells}, generated=generated, train=train, test=test)
    return _statistic(*_located(*arrays, n_cells, seed), fewest=fewest)


def measure(generated, train, test, *, level=0.95, n_groups=GROUPS, generator):
    """Return the row ct; its interval is over samples and test rows, given the training rows and their cells.

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features.
    level, n_groups, generator
        As in `fmdiag.metrics.frechet.measure`.
    """
    generated, train, test = checked(least={"generated": 2, "train": CELLS, "test": 2}, generated=generated,
                                     train=train, test=test)
    rng = numpy_generator(generator)
    samples, rows = _located(generated, train, test, CELLS, int(rng.integers(2**31)))
    value = _statistic(samples, rows)
    if np.isnan(value):
        raise FmdiagError(f"C_T: no cell has more than {FEWEST} samples and a test row: give more of both")
    parts = []
    for place, points in enumerate((samples, rows)):
        labels = group_labels(points.shape[1], n_groups, rng)
        left = (points[:, labels != h] for h in range(labels.max() + 1))
        parts.append([_statistic(*((part, rows) if place == 0 else (samples, part))) for part in left])
    _, low, high = from_left_out(value, parts).interval(level)
    definition = DEFINITION.format(DIMENSIONS, CELLS, FEWEST)
    return metric_table([metric_row("ct", definition, value, low, high, level=level, n=len(generated),
                                    interval="jackknife")])


def _located(generated, train, test, n_cells, seed):
    """Return (cell, distance to the cell's nearest training row), shape (2, n), of the samples and of the test rows."""
    if train.shape[1] > DIMENSIONS:
        mean = train.mean(0)
        _, vectors = np.linalg.eigh(np.cov(train.T))
        generated, train, test = ((x - mean) @ vectors[:, -DIMENSIONS:] for x in (generated, train, test))
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than cells: empty cells are skipped
        clusters = KMeans(n_clusters=n_cells, n_init=10, random_state=seed).fit(train)
    found = []
    for points in (generated, test):
        cells, distances = clusters.predict(points), np.full(len(points), np.nan)
        for cell in np.unique(cells):
            distances[cells == cell] = near_rows(points[cells == cell], train[clusters.labels_ == cell])[1][:, 0]
        found.append(np.stack([cells, distances]))
    return found


def _statistic(samples, rows, fewest=FEWEST):
    total = weight = 0.0
    for cell in np.unique(rows[0]):
        own, others = samples[1, samples[0] == cell], rows[1, rows[0] == cell]
        if len(own) > fewest:
            share = len(others) / rows.shape[1]
            total, weight = total + share * _z(own, others), weight + share
    return total / weight if weight else np.nan


def _z(own, others):
    m, n = len(own), len(others)
    u = stats.rankdata(np.concatenate([own, others]))[:m].sum() - m * (m + 1) / 2
    return (u - (n * m / 2 - 0.5)) / np.sqrt(n * m * (n + m + 1) / 12)

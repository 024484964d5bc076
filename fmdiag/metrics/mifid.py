"""Memorization-informed FID: quality with closeness to single training rows held against the samples.

    MiFID = FID(generated, train) / M,   M = mean of min 1 - |cos|, counted as 1 where it is at least 0.1

Two directions: the Kaggle competition that introduced it averages over *generated* rows the minimum over training rows;
torchmetrics averages over *training* rows the minimum over generated ones, which a few copies hardly move. M itself is
reported too (mifid_distance), before it is set to 1. Rows of zeros have no direction and are left out.

1 - |cos| is computed as half the squared distance of the unit vectors, exact for copies, where 1 - a float32 product is
off by 1e-7, and as M is a divisor that decides the value.

Memorisation: M far below 0.1, and MiFID far above FID, except of the training set itself or of copies of nearly all
rows: FID is 0 there, and so is MiFID, its best value, however small M is. Read M (mifid_distance) beside it.

References
----------
Bai, Lin, Raffel, Kan 2021, On training sample memorization: lessons from benchmarking generative modeling, section 3.
"""

import numpy as np

from fmdiag.errors import FmdiagError
from fmdiag.metrics.arrays import checked, numpy_generator
from fmdiag.metrics.frechet import frechet_distance, leave_out
from fmdiag.metrics.near_rows import near_rows
from fmdiag.metrics.table import metric_row, metric_table
from fmdiag.stats.resampling import GROUPS, from_left_out, group_labels

KAGGLE = "mifid/kaggle-min-over-train"
TORCHMETRICS = "mifid/torchmetrics-min-over-generated"
DEFINITION = KAGGLE
REFERENCE = "C. Bai et al. 2021"
NEEDS_TEST = False
BEST_FOR_COPIES = ("mifid",)
RESET = 0.1
CANDIDATES = 8  # nearest rows kept, so that some are left when a group of rows is left out


def memorisation_distance(rows, others):
    """Return the mean over `rows` of the least 1 - |cos| to any of `others`, before any threshold.

    Examples
    --------
    >>> round(memorisation_distance([[1.0, 0.0], [1.0, 1.0]], [[-2.0, 0.0]]), 6)    # (0 + 1 - cos 45°) / 2
    0.146447
    """
    rows, others = checked(rows=rows, others=others)
    return float(_least(rows, others)[1][:, 0].mean())


def mifid(distance, memorisation):
    """Return the MiFID of a Fréchet distance and a memorisation distance M."""
    divisor = memorisation if memorisation < RESET else 1.0
    return distance / (divisor + 1e-14) if distance > 1e-8 else 0.0


def measure(generated, train, test=None, *, level=0.95, n_groups=GROUPS, generator):
    """Return mifid and mifid_distance in both directions; columns as `table.COLUMNS`.

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features; test is not used.
    level, n_groups, generator
        As in `fmdiag.metrics.frechet.measure`. Where M is near 0.1 the reset makes MiFID jump by a factor of 10, and
        its interval wide.
    """
    generated, train = checked(least=3, generated=generated, train=train)
    rng, rows = numpy_generator(generator), []
    labels = [group_labels(len(x), n_groups, rng) for x in (generated, train)]
    distance = frechet_distance(generated, train)
    left = [leave_out(generated, train, labels[0]), leave_out(train, generated, labels[1])]
    for definition, first in ((KAGGLE, 0), (TORCHMETRICS, 1)):
        sets = (generated, train) if first == 0 else (train, generated)
        value, parts = _left_out(*sets, labels[first], labels[1 - first])
        parts = parts if first == 0 else parts[::-1]
        scores = [[mifid(*pair) for pair in zip(*both, strict=True)] for both in zip(left, parts, strict=True)]
        for name, center, each in (("mifid", mifid(distance, value), scores), ("mifid_distance", value, parts)):
            _, low, high = from_left_out(center, each).interval(level)
            rows.append(metric_row(name, definition, center, max(0.0, low), high, level=level, n=len(generated),
                                   interval="jackknife"))
    return metric_table(rows)


def _left_out(rows, others, row_labels, other_labels):
    """Return (M, [M without each group of `rows`, M without each group of `others`])."""
    index, distances = _least(rows, others)
    least, found = distances[:, 0], other_labels[index]
    without_rows = [least[row_labels[: len(least)] != h].mean() for h in range(row_labels.max() + 1)]
    without_others = []
    for h in range(other_labels.max() + 1):
        left = np.where(found == h, np.inf, distances).min(1)
        # Every candidate in one group: the last of them bounds the distance from below, one chance in g^8.
        without_others.append(np.where(np.isinf(left), distances[:, -1], left).mean())
    return least.mean(), [without_rows, without_others]


def _least(rows, others):
    """Return (index, 1 - |cos|), shape (n, k): the nearest directions among `others`, nearest first."""
    (a, _), (b, kept) = _directions(rows), _directions(others)
    k = min(CANDIDATES, len(b))
    found = [near_rows(sign * a, b, k) for sign in (1, -1)]
    index, distances = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    order = np.argsort(distances, axis=1, kind="stable")
    return kept[np.take_along_axis(index, order, 1)], np.take_along_axis(distances, order, 1) ** 2 / 2


def _directions(x):
    """Return (unit vectors, numbers) of the rows that are not zero."""
    norms = np.linalg.norm(x, axis=1)
    kept = np.flatnonzero(norms > 0)
    if not kept.size:
        raise FmdiagError("MiFID compares directions, and every row of features is zero")
    return x[kept] / norms[kept, None], kept

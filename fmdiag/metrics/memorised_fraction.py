"""Memorised fraction: the share of samples that are copies, beside that of rows that were never trained on.

    memorised if d1/d2 < 1/3, strictly; f_mem = share memorised

d1: Euclidean distance to the nearest training row, d2: to the nearest row that is no duplicate of it. The threshold
decides what a copy is, not whether the model memorises: that is decided against held-out rows, by the excess over their
share (Newcombe's interval), Fisher's exact p-value, and the AUC of d1/d2 over all thresholds (1/2: no difference).
`fmdiag.diagnostics.memorization.measure` gives the same rule per sample, with samples of û* as the positive control.

References
----------
Yoon et al. 2023; Gu et al. 2023; Bonnaire et al. 2025.
"""

import numpy as np
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.metrics.arrays import checked, numpy_generator
from fmdiag.metrics.table import metric_row, metric_table
from fmdiag.neighbors import nearest_distinct
from fmdiag.stats import cluster_bootstrap, delong_interval, proportion_interval
from fmdiag.stats.clustered import clustered_difference, effective_counts

DEFINITION = "f_mem/gu-2023-distinct-second-row"
REFERENCE = "T. Yoon et al. 2023; X. Gu et al. 2023; T. Bonnaire et al. 2025"
NEEDS_TEST = False
THRESHOLD = 1 / 3


def ratios(points, train):
    """Return (d1/d2, nearest), float64 and int64, shape (n,).

    Raises
    ------
    FmdiagError
        If all training rows are equal, so that there is no second row.
    """
    points, train = (np.ascontiguousarray(x, dtype=np.float32) for x in checked(points=points, train=train))
    found = nearest_distinct(torch.from_numpy(points), TrainingSet(train, name="train features"))
    if (found.rows2 < 0).any():
        raise FmdiagError(f"all {len(train)} train rows are equal: d1/d2 compares two different rows")
    return found.ratio, found.rows1


def measure(generated, train, test=None, *, level=0.95, threshold=THRESHOLD, generator):
    """Return f_mem, its null, excess, p-value and AUC; columns as `table.COLUMNS`.

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features; without test features there is no null, and only f_mem.
    threshold : float
        Bound on d1/d2.
    level, generator
        As in every metric.

    Returns
    -------
    DataFrame
        f_mem twice (cluster_bootstrap: over training rows with their samples; exact: over samples), f_mem_heldout,
        f_mem_excess (samples of one training row counted together), f_mem_auc.
    """
    generated, train, test = checked(optional=["test"], generated=generated, train=train, test=test)
    rng, facts = numpy_generator(generator), {"level": level, "n": len(generated)}
    definition = DEFINITION if threshold == THRESHOLD else f"{DEFINITION}-below-{threshold:g}"
    ratio, nearest = ratios(generated, train)
    copied = ratio < threshold
    share = cluster_bootstrap(copied, nearest, rng=rng, level=level)
    exact = proportion_interval(copied.sum(), copied.size, level=level)
    rows = [metric_row("f_mem", definition, *share[:3], interval=share[3], **facts)] if share[3] != "exact" else []
    rows.append(metric_row("f_mem", definition, *exact, interval="exact", **facts))
    if test is not None:
        null_ratio, null_nearest = ratios(test, train)
        null = null_ratio < threshold
        excess = clustered_difference(effective_counts(copied, nearest), effective_counts(null, null_nearest),
                                      level=level)
        rows += [
            metric_row("f_mem_heldout", definition, *proportion_interval(null.sum(), null.size, level=level),
                       level=level, n=null.size, interval="exact"),
            metric_row("f_mem_excess", definition, *excess, interval="newcombe_clustered", **facts),
            metric_row("f_mem_auc", f"{definition}/auc-against-heldout",
                       *delong_interval(-ratio, -null_ratio, level=level), interval="delong", **facts)]
    return metric_table(rows)

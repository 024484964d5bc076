"""Extraction by relative distance (Carlini et al.): samples far closer to a training row than its surroundings.

    l(x̂, x) = |x̂ - x| / (alpha · mean over y in S of |. - y|),   alpha = 1/2, S the 50 nearest training rows;
    extracted if l < 1

The paper takes S, and the distances to it, around the *sample* x̂; others take the *training row* x (its
own 50 neighbours). For a close copy both agree. Around the sample, x itself is one of the 50.

Memorisation: the extracted share lies above that of held-out rows, which is reported beside it.

References
----------
Carlini et al. 2023, Extracting training data from diffusion models, section 5.1.
"""

import numpy as np

from fmdiag.metrics.arrays import checked
from fmdiag.metrics.near_rows import near_rows
from fmdiag.metrics.table import metric_row, metric_table
from fmdiag.stats import clustered_share
from fmdiag.stats.bounded import clustered_quantile

DEFINITION = "carlini-2023/alpha-{:g}-{}-neighbours-of-{}"
REFERENCE = "N. Carlini et al. 2023, section 5.1"
NEEDS_TEST = False
AROUND = ("sample", "row")


def relative_distance(generated, train, *, around="sample", alpha=0.5, n_neighbors=50):
    """Return (distances, nearest): l of each sample, float64, and its nearest training row, int64, shape (n,).

    Parameters
    ----------
    generated, train : array_like, shape (n, dim) and (m, dim)
        Features; m at least `n_neighbors`, one more for ``around="row"``.
    around : str
        ``"sample"`` (the paper) or ``"row"``: what the neighbours are neighbours of.
    alpha : float
        Share of the mean distance below which a sample counts as extracted.
    n_neighbors : int

    Returns
    -------
    distances : NaN where every neighbour is at distance 0 (0 if the sample is there too)

    Examples
    --------
    >>> import numpy as np
    >>> train = np.array([[0.0], [1.0], [2.0]])
    >>> relative_distance([[0.1]], train, n_neighbors=2)[0].round(3).tolist()    # 0.1 / (0.5 * (0.1 + 0.9) / 2)
    [0.4]
    """
    generated, train = checked(generated=generated, train=train)
    if around == "sample":
        rows, d = near_rows(generated, train, n_neighbors)
        nearest, d1, scale = rows[:, 0], d[:, 0], d.mean(1)
    else:
        rows, d = near_rows(generated, train)
        nearest, d1 = rows[:, 0], d[:, 0]
        copied, index = np.unique(nearest, return_inverse=True)
        scale = near_rows(train[copied], train, n_neighbors, exclude=copied)[1].mean(1)[index]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(d1 == 0, 0.0, np.where(scale > 0, d1 / (alpha * scale), np.nan)), nearest


def measure(generated, train, test=None, *, level=0.95, alpha=0.5, n_neighbors=50, generator):
    """Return the share extracted and the median relative distance, of samples and of held-out rows.

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features; test features, where given, are the null.
    alpha, n_neighbors
        As in `relative_distance`; a smaller training set's rows but one are all the neighbours.
    level, generator
        As in every metric.

    Returns
    -------
    DataFrame
        Rows carlini_extracted and carlini_median, and the same of held-out rows with the suffix _heldout, in both
        definitions; columns as `table.COLUMNS`.
    """
    generated, train, test = checked(optional=["test"], least={"train": 3}, generated=generated, train=train, test=test)
    rows, k = [], min(n_neighbors, len(train) - 1)
    for around in AROUND:
        definition = DEFINITION.format(alpha, k, around)
        for suffix, points in (("", generated), ("_heldout", test)):
            if points is None:
                continue
            distances, nearest = relative_distance(points, train, around=around, alpha=alpha, n_neighbors=k)
            share = clustered_share(distances < 1, nearest, level=level)
            median = clustered_quantile(distances, 0.5, nearest, level=level)
            facts = {"level": level, "n": len(points)}
            rows += [metric_row(f"carlini_extracted{suffix}", definition, *share, interval="clustered_exact", **facts),
                     metric_row(f"carlini_median{suffix}", definition, *median, interval="clustered_order",
                                **facts)]
    return metric_table(rows)

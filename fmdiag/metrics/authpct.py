"""AuthPct: the share of samples further from their nearest training row than that row from its own nearest one.

    AuthPct = 100 · share of samples with |x_nn - its nearest other training row| < |sample - x_nn|

Two definitions: dgm-eval uses every row; the fld package uses at most 10 000 random rows of either set and subtracts
50, so that its 0 is our 50. What a fresh draw scores depends on the dimension and on n: held-out rows are the null
beside it. Duplicated training rows are at distance 0 of each other and make copies of them look authentic (the
definition's blind spot; d1/d2 of `fmdiag.metrics.memorised_fraction` counts them once).

Memorisation: below the held-out rows'.

References
----------
Alaa et al. 2022, How faithful is your synthetic data?, section 3.3 (authenticity).
"""

import numpy as np

from fmdiag.metrics.arrays import checked, numpy_generator, subset
from fmdiag.metrics.near_rows import near_rows
from fmdiag.metrics.table import metric_row, metric_table
from fmdiag.stats import clustered_share

DEFINITION = "authpct/dgm-eval"
FLD = "authpct/fld-10k-minus-50"
REFERENCE = "A. Alaa et al. 2022"
NEEDS_TEST = False
FLD_ROWS = 10_000


def authentic(generated, train):
    """Return (authentic, nearest): bool per sample, and its nearest training row, int64, shape (n,).

    Examples
    --------
    >>> authentic([[0.4], [2.5]], [[0.0], [1.0]])[0].tolist()       # 0.4 < 1; 1.5 > 1
    [False, True]
    """
    generated, train = checked(least={"train": 2}, generated=generated, train=train)
    rows, d1 = near_rows(generated, train)
    rows, d1 = rows[:, 0], d1[:, 0]
    copied, index = np.unique(rows, return_inverse=True)
    return near_rows(train[copied], train, exclude=copied)[1][:, 0][index] < d1, rows


def measure(generated, train, test=None, *, level=0.95, generator):
    """Return AuthPct in both definitions, of samples and of held-out rows; columns as `table.COLUMNS`.

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features; test features, where given, are the null (rows with the suffix _heldout).
    level, generator
        As in every metric.
    """
    generated, train, test = checked(optional=["test"], least={"train": 2}, generated=generated, train=train, test=test)
    rng, rows = numpy_generator(generator), []
    for suffix, points in (("", generated), ("_heldout", test)):
        if points is None:
            continue
        for definition, most, offset in ((DEFINITION, None, 0), (FLD, FLD_ROWS, 50)):
            taken = subset(points, most, rng)
            share = clustered_share(*authentic(taken, subset(train, most, rng)), level=level)
            rows.append(metric_row(f"authpct{suffix}", definition, *(100 * end - offset for end in share), level=level,
                                   n=len(taken), interval="clustered_exact"))
    return metric_table(rows)

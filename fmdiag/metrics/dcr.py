"""Distance to the closest record, and NNDR: closeness to the rows trained on and to rows held out.

    dcr_share  = share of samples whose nearest row of all is a training row rather than a held-out one (ties count
                 half); of n training and m held-out rows n / (n + m) is expected without memorisation, because every
                 row is as likely to be the nearest (dcr_share_expected); 1 for copies of training rows
    dcr_p5     = 5 % quantile of the distance to the nearest training row, of samples and of held-out rows
    nndr       = median of d1/d2, the distances to the two nearest training rows, of samples and of held-out rows; 0
                 where d1 = 0, a copy also of a row that occurs twice

Memorisation: the share lies above what is expected; the quantile and the median lie below those of the held-out rows.
No row is left out to make the sets equally large: among 100 of 2000 training rows the sources of most copies are
missing, and a pure copier would score 1/2. The larger n / m, the less room is left above what is expected.

References
----------
Platzer & Reutterer 2021, Holdout-based assessment of mixed-type synthetic data (the share). Lowe 2004 (d1/d2);
Zhao et al. 2021, CTAB-GAN (DCR and NNDR as privacy measures).
"""

import numpy as np

from fmdiag.metrics.arrays import checked
from fmdiag.metrics.near_rows import near_rows
from fmdiag.metrics.table import metric_row, metric_table
from fmdiag.stats import clustered_share
from fmdiag.stats.bounded import clustered_quantile

DEFINITION = "dcr/platzer-2021-all-rows-against-n-over-n-plus-m"
QUANTILE = "dcr/5-percent-quantile-to-train"
RATIO = "nndr/median-of-two-nearest-train-rows-copies-0"
REFERENCE = "M. Platzer and T. Reutterer 2021"
NEEDS_TEST = True


def closer_to_train(generated, train, test):
    """Return (closer, nearest): 1, 0 or 1/2 for a tie per sample, and its nearest row (test rows after train rows).

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features.
    """
    generated, train, test = checked(generated=generated, train=train, test=test)
    (rows, d_train), (others, d_test) = (near_rows(generated, x) for x in (train, test))
    closer = np.where(d_train < d_test, 1.0, np.where(d_train == d_test, 0.5, 0.0))[:, 0]
    return closer, np.where(closer > 0, rows[:, 0], len(train) + others[:, 0])


def measure(generated, train, test, *, level=0.95, generator):
    """Return dcr_share, dcr_share_expected, dcr_p5, dcr_p5_heldout, nndr, nndr_heldout; columns as `table.COLUMNS`.

    The interval of the share is the exact one at the effective number of samples, those with the same nearest row
    counted together (`clustered_share`).

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features; train needs two rows.
    level, generator
        As in every metric.
    """
    generated, train, test = checked(least={"train": 2}, generated=generated, train=train, test=test)
    facts = {"level": level, "n": len(generated)}
    share = clustered_share(*closer_to_train(generated, train, test), level=level)
    rows = [metric_row("dcr_share", DEFINITION, *share, interval="clustered_exact", **facts),
            metric_row("dcr_share_expected", DEFINITION, len(train) / (len(train) + len(test)), interval="none",
                       **facts)]
    for suffix, points in (("", generated), ("_heldout", test)):
        nearest, d = near_rows(points, train, 2)
        ratio = np.divide(d[:, 0], d[:, 1], out=np.zeros(len(d)), where=d[:, 1] > 0)
        for name, definition, values, q in (("dcr_p5", QUANTILE, d[:, 0], 0.05), ("nndr", RATIO, ratio, 0.5)):
            found = clustered_quantile(values, q, nearest[:, 0], level=level)
            rows.append(metric_row(name + suffix, definition, *found, level=level, n=len(points),
                                   interval="clustered_order"))
    return metric_table(rows)

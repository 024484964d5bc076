"""Are the samples closer to the rows trained on than to rows held out? Distance to the closest record, and NNDR.

    dcr_share  = share of samples whose nearest row is a training row rather than a held-out one (ties count half);
                 both sets are cut to the same number of rows, so that 1/2 is expected without memorisation
    dcr_p5     = 5 % quantile of the distance to the nearest training row, of samples and of held-out rows
    nndr       = median of d1/d2, the distances to the two nearest training rows, of samples and of held-out rows

Memorisation: the share lies above 1/2; the quantile and the median lie below those of the held-out rows.

References
----------
Platzer & Reutterer 2021, Holdout-based assessment of mixed-type synthetic data (the share). Lowe 2004 (d1/d2);
Zhao et al. 2021, CTAB-GAN (DCR and NNDR as privacy measures).
"""

import numpy as np

from fmdiag.metrics.arrays import checked, numpy_generator, subset
from fmdiag.metrics.near_rows import near_rows
from fmdiag.metrics.resampling import cluster_bootstrap, quantile_interval
from fmdiag.metrics.table import metric_row, metric_table

DEFINITION = "dcr/platzer-2021-equal-sizes"
QUANTILE = "dcr/5-percent-quantile-to-train"
RATIO = "nndr/median-of-two-nearest-train-rows"
REFERENCE = "M. Platzer and T. Reutterer 2021"
NEEDS_TEST = True


def closer_to_train(generated, train, test, *, rng):
    """Return (closer, nearest): 1, 0 or 1/2 for a tie per sample, and its nearest row (test rows after train rows).

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features; the larger of train and test is cut at random to the other's size.
    """
    generated, train, test = checked(generated=generated, train=train, test=test)
    size = min(len(train), len(test))
    (rows, d_train), (others, d_test) = (near_rows(generated, subset(x, size, rng)) for x in (train, test))
    closer = np.where(d_train < d_test, 1.0, np.where(d_train == d_test, 0.5, 0.0))[:, 0]
    return closer, np.where(closer > 0, rows[:, 0], size + others[:, 0])


def measure(generated, train, test, *, level=0.95, generator):
    """Return the rows dcr_share, dcr_p5, dcr_p5_heldout, nndr, nndr_heldout; columns as `table.COLUMNS`.

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features; train needs two rows.
    level, generator
        As in every metric.
    """
    generated, train, test = checked(least={"train": 2}, generated=generated, train=train, test=test)
    rng = numpy_generator(generator)
    *share, kind = cluster_bootstrap(*closer_to_train(generated, train, test, rng=rng), rng=rng, level=level)
    rows = [metric_row("dcr_share", DEFINITION, *share, level=level, n=len(generated), interval=kind)]
    for suffix, points in (("", generated), ("_heldout", test)):
        _, d = near_rows(points, train, 2)
        ratio = np.divide(d[:, 0], d[:, 1], out=np.ones(len(d)), where=d[:, 1] > 0)
        for name, definition, values, q in (("dcr_p5", QUANTILE, d[:, 0], 0.05), ("nndr", RATIO, ratio, 0.5)):
            rows.append(metric_row(name + suffix, definition, *quantile_interval(values, q, level=level), level=level,
                                   n=len(points), interval="order"))
    return metric_table(rows)

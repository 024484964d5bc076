"""Precision, recall, density and coverage of samples and reference rows.

With B_k(x) the open ball around x that reaches to its k-th nearest neighbour within its own set,

    precision = share of samples in some B_k(real row)        recall   = share of real rows in some B_k(sample)
    density   = mean over samples of #{real i: sample in B_k(i)} / k
    coverage  = share of real rows whose B_k holds a sample

Arguments are (real, generated) in this order everywhere: swapped, precision is recall. A copied training set has
precision, recall and coverage 1 to its own training rows, so none of these sees memorisation; read them beside d1/d2.

A sample that *is* the k-th neighbour lies exactly on the sphere, and rounding would decide; such pairs are common among
copies. So pairs within the rounding error of a radius are computed again from differences, in the way the radii are.

References
----------
Kynkäänniemi et al. 2019 (precision, recall, k = 3; closed balls); Naeem et al. 2020 (density, coverage, k = 5; open
balls, as here).
"""

import numpy as np

from fmdiag.errors import FmdiagError
from fmdiag.metrics.arrays import checked, numpy_generator, subset
from fmdiag.metrics.near_rows import near_rows
from fmdiag.metrics.table import metric_row, metric_table
from fmdiag.stats import jackknife
from fmdiag.stats.bounded import share_interval

DEFINITION = "prdc/naeem-2020-open-balls-k{}"
REFERENCE = "T. Kynkäänniemi et al. 2019; M. Naeem et al. 2020"
NEEDS_TEST = False
BEST_FOR_COPIES = INDEPENDENT = ("precision_train", "recall_train", "coverage_train")
NAMES = ("precision", "recall", "density", "coverage")
BLOCK_ENTRIES = 1 << 22
MOST = 10_000


def prdc(real, generated, n_neighbors=5):
    """Return {"precision": …, "recall": …, "density": …, "coverage": …} of `generated` given `real`.

    Parameters
    ----------
    real, generated : array_like, shape (n, dim) and (m, dim)
        Features, of which float32 counts; the reference rows come first.
    n_neighbors : int
        k, less than the number of rows of either set.

    Raises
    ------
    FmdiagError
        If k is not less than the number of rows of both sets.

    Examples
    --------
    >>> import numpy as np
    >>> real = np.array([[0.0], [1.0], [2.0], [10.0]])
    >>> prdc(real, [[0.5], [0.4], [1.5]], n_neighbors=1)["precision"], prdc(real, [[0.5], [40.0]], 1)["precision"]
    (1.0, 0.5)
    """
    real, generated = checked(real=real, generated=generated)
    if not 1 <= n_neighbors < min(len(real), len(generated)):
        raise FmdiagError(f"n_neighbors must be in [1, {min(len(real), len(generated)) - 1}], below the rows of both "
                          f"sets ({len(real)} real, {len(generated)} generated), got {n_neighbors}")
    return dict(zip(NAMES, _values(real, generated, n_neighbors).tolist(), strict=True))


def measure(generated, train, test=None, *, level=0.95, n_neighbors=5, most=MOST, n_groups=10, generator):
    """Return precision, recall, density and coverage of generated features given train and given test features.

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features; without test features there are no rows for them.
    n_neighbors : int
        k of the balls.
    most : int
        Rows of each set that are used, drawn at random: time grows with their product.
    n_groups : int
        Groups of the jackknife over both sets.
    level, generator
        As in every metric.

    Returns
    -------
    DataFrame
        Rows precision_train, …, coverage_test; columns as `table.COLUMNS`.
    """
    generated, train, test = checked(optional=["test"], generated=generated, train=train, test=test)
    rng, rows = numpy_generator(generator), []
    generated = subset(generated, most, rng)
    for name, reference in (("train", train), ("test", test)):
        if reference is None:
            continue
        prdc(reference[: n_neighbors + 1], generated, n_neighbors)  # refuses sets that are too small
        estimate = jackknife(lambda r, g: _values(r, g, n_neighbors), [subset(reference, most, rng), generated],
                             rng=rng, n_groups=n_groups)
        n = min(len(generated), len(reference), most)
        rows += [metric_row(f"{quantity}_{name}", DEFINITION.format(n_neighbors), *found, level=level,
                            n=len(generated), interval="jackknife" if found[1] == found[1] else "none")
                 for quantity, found in zip(NAMES, _intervals(estimate, n, level), strict=True)]
    return metric_table(rows)


def _intervals(estimate, n, level):
    """Yield (value, low, high) of precision, recall, density and coverage, each within what it can be.

    Shares have the exact limits at the number of independent rows that the jackknife's error stands for, and of n
    rows at 0 and 1. Density has no largest value, and no interval where no group of rows changes it.
    """
    for name, share, error, low, high in zip(NAMES, estimate.value, estimate.error, *estimate.interval(level)[1:],
                                             strict=True):
        if name != "density":
            yield share_interval(share, error, n, freedom=estimate.freedom, level=level)
        else:
            yield (share, max(0.0, low), high) if error > 0 else (share, np.nan, np.nan)


def _values(real, generated, k):
    """Return (precision, recall, density, coverage), shape (4,)."""
    k_real, k_generated = (min(k, len(x) - 1) for x in (real, generated))
    real, generated = (x.astype(np.float32).astype(np.float64) for x in (real, generated))
    in_real, covered = _membership(generated, real, _radii(real, k_real))
    in_generated, _ = _membership(real, generated, _radii(generated, k_generated))
    return np.array([(in_real > 0).mean(), (in_generated > 0).mean(), in_real.mean() / k, covered.mean()])


def _radii(x, k):
    """Return the squared distance of each row to its k-th nearest other row, shape (n,)."""
    rows, _ = near_rows(x, x, k, exclude=np.arange(len(x)))
    return _squared(x, x[rows[:, -1]])


def _membership(points, centers, radii2):
    """Return (counts, held): in how many balls each point lies, shape (p,), and whether a ball holds a point, (c,)."""
    middle = centers.mean(0)
    p, c = points - middle, centers - middle
    norms = np.einsum("ij,ij->i", c, c)
    counts, held = np.zeros(len(p), int), np.zeros(len(c), bool)
    size = max(1, BLOCK_ENTRIES // len(c))
    for start in range(0, len(p), size):
        part = p[start : start + size]
        own = np.einsum("ij,ij->i", part, part)
        d2 = own[:, None] + norms - 2 * part @ c.T
        # Twice the bound on the rounding error of the expanded form and of the radius (Higham 2002, section 3.1).
        doubt = 4 * (p.shape[1] + 16) * 2.0**-53 * (np.sqrt(own)[:, None] + np.sqrt(norms)) ** 2
        inside = d2 < radii2
        which, center = np.nonzero(np.abs(d2 - radii2) <= doubt)
        inside[which, center] = _squared(points[start + which], centers[center]) < radii2[center]
        counts[start : start + size] = inside.sum(1)
        held |= inside.any(0)
    return counts, held


def _squared(a, b):
    """Return the squared distances of rows, shape (n,): the same for (a, b) and (b, a), bit for bit."""
    difference = a - b
    return np.einsum("ij,ij->i", difference, difference)

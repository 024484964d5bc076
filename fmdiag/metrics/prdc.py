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
from fmdiag.stats.bounded import share_interval
from fmdiag.stats.resampling import from_left_out, group_labels

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
        estimate = _jackknife(subset(reference, most, rng), generated, n_neighbors, rng=rng, n_groups=n_groups)
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
    real, generated = _counted(real), _counted(generated)
    in_real, covered = _membership(generated, real, next(_radii(real, k)))
    in_generated, _ = _membership(real, generated, next(_radii(generated, k)))
    return _shares(in_real, in_generated, covered.any(0), k)


def _counted(x):
    """Return features as they count: rounded to float32, as float64."""
    return x.astype(np.float32).astype(np.float64)


def _shares(in_real, in_generated, covered, k):
    return np.array([(in_real > 0).mean(), (in_generated > 0).mean(), in_real.mean() / k, covered.mean()])


def _jackknife(real, generated, k, *, rng, n_groups):
    """Return what `jackknife` of `_values` returns, each row's neighbours and the balls of whole sets found once."""
    real, generated = _counted(real), _counted(generated)
    of_real, of_generated = (group_labels(len(x), n_groups, rng) for x in (real, generated))
    (real_radii, *reals), (generated_radii, *generateds) = _radii(real, k, of_real), _radii(generated, k, of_generated)
    in_real, covered = _membership(generated, real, real_radii, of_generated)
    in_generated, _ = _membership(real, generated, generated_radii)
    without_real, without_generated = [], []
    for h, radii2 in enumerate(reals):
        kept = of_real != h
        inside, held = _membership(generated, real[kept], radii2)
        without_real.append(_shares(inside, in_generated[kept], held.any(0), k))
    for h, radii2 in enumerate(generateds):
        kept = of_generated != h
        inside, _ = _membership(real, generated[kept], radii2)
        without_generated.append(_shares(in_real[kept], inside, np.delete(covered, h, 0).any(0), k))
    return from_left_out(_shares(in_real, in_generated, covered.any(0), k), [without_real, without_generated])


def _radii(x, k, labels=None):
    """Yield the squared distances of rows to their k-th nearest other row: of all rows, then without each group.

    Where fewer rows are left, to the farthest of them. More neighbours are found than k, as some are of the group.
    """
    numbers, _ = near_rows(x, x, min(len(x) - 1, k if labels is None else 2 * k + 6), exclude=np.arange(len(x)))
    yield _squared(x, x[numbers[:, min(k, len(x) - 1) - 1]])
    for h in range(0 if labels is None else labels.max() + 1):
        kept = labels != h
        rows, left = x[kept], (labels[numbers[kept]] != h).cumsum(1)
        nearest = min(k, len(rows) - 1)
        chosen = numbers[kept, (left >= nearest).argmax(1)]
        if len(lacking := np.nonzero(left[:, -1] < nearest)[0]):
            found, _ = near_rows(rows[lacking], rows, nearest, exclude=lacking)
            chosen[lacking] = np.nonzero(kept)[0][found[:, -1]]
        yield _squared(rows, x[chosen])


def _membership(points, centers, radii2, labels=None):
    """Return (counts, held): in how many balls each point lies, shape (p,), and which balls hold a point, (g, c).

    A row of `held` is of the points of one group, in [0, g) by `labels`, shape (p,); without them of all points.
    """
    middle = centers.mean(0)
    p, c = points - middle, centers - middle
    norms = np.einsum("ij,ij->i", c, c)
    labels = np.zeros(len(p), int) if labels is None else labels
    counts, held = np.zeros(len(p), int), np.zeros((labels.max() + 1, len(c)), bool)
    size = max(1, BLOCK_ENTRIES // len(c))
    for start in range(0, len(p), size):
        part, group = p[start : start + size], labels[start : start + size]
        own = np.einsum("ij,ij->i", part, part)
        d2 = own[:, None] + norms - 2 * part @ c.T
        # Twice the bound on the rounding error of the expanded form and of the radius (Higham 2002, section 3.1).
        doubt = 4 * (p.shape[1] + 16) * 2.0**-53 * (np.sqrt(own)[:, None] + np.sqrt(norms)) ** 2
        inside = d2 < radii2
        which, center = np.nonzero(np.abs(d2 - radii2) <= doubt)
        inside[which, center] = _squared(points[start + which], centers[center]) < radii2[center]
        counts[start : start + size] = inside.sum(1)
        for h in np.unique(group):
            held[h] |= inside[group == h].any(0)
    return counts, held


def _squared(a, b):
    """Return the squared distances of rows, shape (n,): the same for (a, b) and (b, a), bit for bit."""
    difference = a - b
    return np.einsum("ij,ij->i", difference, difference)

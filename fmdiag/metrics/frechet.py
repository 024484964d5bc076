"""Fréchet distance between Gaussians with the samples' moments and those of the training set, or the test set.

    FD² = |mu_a - mu_b|² + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2),     reported as it stands (FID is FD²)

With S = F'F, tr (S_a S_b)^(1/2) is the sum of the singular values of F_a F_b'. No matrix square root, no inverse: sets
with fewer rows than dimensions and constant features are exact, and equal sets are at distance 0 to rounding.

A distance to the *train* set that is much smaller than to the *test* set is a mark of memorisation; a small distance to
the test set is none of generalisation (paper [1], figure 2: it is low at n = 1000 where the model memorises).

The estimate is too large by a term of order dim/n: numbers at different n cannot be compared, and a perfect sampler
does not score 0. Resampling with replacement would add that bias again, so intervals are jackknife intervals (of the
expected value at this n), and `frechet_infinity` removes the bias of order 1/n. A distance is not below 0, so its value
and limits are cut there. With no more rows than dimensions the bias is not of order 1/n and the extrapolation is NaN.

References
----------
Heusel et al. 2017 (FID); Dowson & Landau 1982 (the formula); Chong & Forsyth 2020 (the bias, and why to extrapolate).
"""

import warnings

import numpy as np

from fmdiag.errors import FmdiagWarning
from fmdiag.metrics.arrays import checked, numpy_generator
from fmdiag.metrics.table import metric_row, metric_table
from fmdiag.stats.resampling import GROUPS, from_left_out, group_labels

DEFINITION = "fid/heusel-2017-unbiased-covariance"
INFINITY = "fid/jackknife-to-infinite-n"
REFERENCE = "M. Heusel et al. 2017; M. Chong and D. Forsyth 2020"
NEEDS_TEST = False
BEST_FOR_COPIES = INDEPENDENT = ("frechet_train", "frechet_infinity_train")


def frechet_distance(a, b):
    """Return the squared Fréchet distance of the Gaussians fitted to two sets of features, float64.

    Parameters
    ----------
    a, b : array_like, shape (n, dim) and (m, dim)
        At least two rows each; covariances have the divisor n - 1.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.random.default_rng(0).normal(size=(50, 3))
    >>> round(frechet_distance(a, a + 2), 9)         # the means differ by 2 in each of 3 dimensions
    12.0
    """
    a, b = checked(least=2, a=a, b=b)
    root_a, root_b = _root(a), _root(b)
    shared = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    traces = np.square(root_a).sum() + np.square(root_b).sum()
    return max(0.0, float(np.square(a.mean(0) - b.mean(0)).sum() + traces - 2 * shared))


def measure(generated, train, test=None, *, level=0.95, n_groups=GROUPS, generator):
    """Return the Fréchet distances of generated features to train and test features, plain and extrapolated.

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features; without test features there is no distance to them.
    level : float
        Coverage of the intervals.
    n_groups : int
        Groups of the jackknife, over generated rows and over reference rows.
    generator : torch.Generator

    Returns
    -------
    DataFrame
        Rows frechet_train, frechet_infinity_train, and the same for test; columns as `table.COLUMNS`.
    """
    generated, train, test = checked(optional=["test"], least=3, generated=generated, train=train, test=test)
    rng, rows = numpy_generator(generator), []
    for name, reference in (("train", train), ("test", test)):
        if reference is None:
            continue
        warn_if_few(generated, reference, name)
        estimate = distance_estimate(generated, reference, rng, n_groups)
        for metric, definition, corrected in ((f"frechet_{name}", DEFINITION, False),
                                              (f"frechet_infinity_{name}", INFINITY, True)):
            found = not_negative(*estimate.interval(level, corrected=corrected))
            refused = corrected and min(len(generated), len(reference)) <= generated.shape[1]
            found, kind = ((np.nan,) * 3, "none") if refused else (found, "jackknife")
            rows.append(metric_row(metric, definition, *found, level=level, n=len(generated), interval=kind))
    return metric_table(rows)


def difference(generated, others, reference, *, level=0.95, n_groups=GROUPS, generator):
    """Return {(metric, definition): (value, low, high)}: distances of generated rows less those of other rows.

    Both to the same reference rows, called train, groups of which are left out of both distances at once.
    """
    generated, others, reference = checked(least=3, generated=generated, others=others, reference=reference)
    rng = numpy_generator(generator)
    a, b, shared = (group_labels(len(x), n_groups, rng) for x in (generated, others, reference))
    first, second = (frechet_distance(x, reference) for x in (generated, others))
    estimate = from_left_out(first - second, [
        leave_out(generated, reference, a) - second, first - leave_out(others, reference, b),
        leave_out(reference, generated, shared) - leave_out(reference, others, shared)])
    found = {("frechet_train", DEFINITION): tuple(map(float, estimate.interval(level)))}
    if min(map(len, (generated, others, reference))) > generated.shape[1]:
        found["frechet_infinity_train", INFINITY] = tuple(map(float, estimate.interval(level, corrected=True)))
    return found


def not_negative(value, low, high):
    """Return (value, low, high) of a quantity that cannot be below 0: a value below is 0, and the limits move with it.

    Limits cut without being moved could both be 0, an interval without width.
    """
    shift = max(0.0, -value)
    return value + shift, max(0.0, low + shift), high + shift


def warn_if_few(generated, reference, name):
    """Warn where a covariance has not full rank for want of rows: computed all the same, but mostly bias."""
    dim = generated.shape[1]
    few = [f"{len(x)} {what} rows" for what, x in (("generated", generated), (name, reference)) if len(x) <= dim]
    if few:
        warnings.warn(f"Fréchet distance to {name} from {' and '.join(few)} in {dim} dimensions: fewer rows than "
                      "dimensions, most of the value is bias; compare at equal n only; not extrapolated to infinite n",
                      FmdiagWarning, stacklevel=3)


def distance_estimate(a, b, rng, n_groups=GROUPS):
    """Return the jackknife Estimate of the Fréchet distance, groups of a and of b left out in turn."""
    left_a, left_b = leave_out(a, b, group_labels(len(a), n_groups, rng)), leave_out(
        b, a, group_labels(len(b), n_groups, rng))
    return from_left_out(frechet_distance(a, b), [left_a, left_b])


def leave_out(a, b, labels):
    """Return the distances of a without each of its groups to b, shape (g,).

    Covariances are updated by subtracting each group's moments; tr (S_a S_b)^(1/2) comes from the eigenvalues of
    F_b S_a F_b', exact to the square root of rounding, which is far below the differences between groups.
    """
    center = a.mean(0)
    a = a - center
    gram, root, gap = a.T @ a, _root(b), center - b.mean(0)
    trace = np.square(root).sum()
    distances = []
    for h in range(labels.max() + 1):
        left = a[labels == h]
        n = len(a) - len(left)
        mean = -left.sum(0) / n
        covariance = (gram - left.T @ left - n * np.outer(mean, mean)) / (n - 1)
        shared = np.sqrt(np.linalg.eigvalsh(root @ covariance @ root.T).clip(0)).sum()
        distances.append(np.square(gap + mean).sum() + np.trace(covariance) + trace - 2 * shared)
    return np.array(distances)


def _root(x):
    """Return F with F'F the covariance of x, shape (min(n, dim), dim)."""
    centred = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    return np.linalg.qr(centred, mode="r") if len(x) > x.shape[1] else centred

"""Kernel inception distance: the squared maximum mean discrepancy under a cubic kernel.

    k(x, y) = (x·y / dim + 1)³,   KID = mean_{i≠j} k(x_i, x_j) + mean_{i≠j} k(y_i, y_j) - 2 mean_{ij} k(x_i, y_j)

Unbiased at every n, unlike the Fréchet distance: samples of the reference distribution score 0 on average, and may
score below. Two definitions: over all pairs (a U-statistic, the least variance), and the customary mean over 100 random
subsets of 1000 rows, whose standard deviation over subsets is often quoted but is no standard error (subsets overlap).

Intervals leave out one row at a time, which the row sums of the kernel give without further products.

References
----------
Bińkowski et al. 2018, Demystifying MMD GANs (KID, subsets); Gretton et al. 2012, A kernel two-sample test, lemma 6.
"""

import numpy as np
from scipy import stats

from fmdiag.errors import FmdiagError
from fmdiag.metrics.arrays import checked, numpy_generator
from fmdiag.metrics.table import metric_row, metric_table
from fmdiag.stats import from_left_out

DEFINITION = "kid/binkowski-2018-all-pairs"
SUBSETS = "kid/binkowski-2018-{}x{}"
REFERENCE = "M. Bińkowski et al. 2018"
NEEDS_TEST = False
BEST_FOR_COPIES = INDEPENDENT = ("kid_train",)
BLOCK_ENTRIES = 1 << 22


def kernel_distance(a, b):
    """Return the unbiased KID over all pairs, a float; sets of different sizes, at least two rows each, are fine.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.array([[0.0], [2.0]])
    >>> float(kernel_distance(a, a))       # k(0, 2) = 1, k(0, 0) = 1, k(2, 2) = 125: 1 + 1 - 2 * (1 + 1 + 1 + 125) / 4
    -62.0
    """
    return _value(*_row_sums(*checked(least=2, a=a, b=b)))


def subset_distance(a, b, *, n_subsets=100, size=1000, rng):
    """Return (mean, standard deviation over subsets): KID of random subsets, drawn without replacement.

    Raises
    ------
    FmdiagError
        If a set has fewer than `size` rows.
    """
    a, b = checked(least=2, a=a, b=b)
    if not 2 <= size <= min(len(a), len(b)):
        raise FmdiagError(f"subsets of {size} rows from sets of {len(a)} and {len(b)}: give a smaller size")
    if size == len(a) == len(b):
        return kernel_distance(a, b), 0.0  # every subset is the set
    chosen = [(rng.permutation(len(a))[:size], rng.permutation(len(b))[:size]) for _ in range(n_subsets)]
    if len(a) ** 2 + len(b) ** 2 + len(a) * len(b) < 3 * n_subsets * size**2:
        values = _of_subsets(a, b, chosen)
    else:
        values = [kernel_distance(a[rows], b[others]) for rows, others in chosen]
    return float(np.mean(values)), float(np.std(values))


def measure(generated, train, test=None, *, level=0.95, n_subsets=100, size=1000, generator):
    """Return KID of generated features against train and test features, over all pairs and over subsets.

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features; without test features there are no rows for them.
    n_subsets, size : int
        Number and size of the subsets; sets with fewer than `size` rows use what the smaller one has.
    level, generator
        As in every metric.

    Returns
    -------
    DataFrame
        Rows kid_train and kid_test in both definitions; columns as `table.COLUMNS`.
    """
    generated, train, test = checked(optional=["test"], least=3, generated=generated, train=train, test=test)
    rng, rows = numpy_generator(generator), []
    z = stats.norm.ppf((1 + level) / 2)
    for name, reference in (("train", train), ("test", test)):
        if reference is None:
            continue
        sums = _row_sums(generated, reference)
        error = standard_error(*sums)
        taken = min(size, len(generated), len(reference))
        mean, spread = subset_distance(generated, reference, n_subsets=n_subsets, size=taken, rng=rng)
        for value, error_, definition in ((_value(*sums), error, DEFINITION),
                                          (mean, np.hypot(error, spread / np.sqrt(n_subsets)),
                                           SUBSETS.format(n_subsets, taken))):
            rows.append(metric_row(f"kid_{name}", definition, value, value - z * error_, value + z * error_,
                                   level=level, n=len(generated), interval="jackknife"))
    return metric_table(rows)


def difference(generated, others, reference, *, level=0.95, generator):
    """Return {(metric, definition): (value, low, high)}: KID of generated rows less that of other rows, all pairs.

    Both to the same reference rows, called train, each of which is left out of both at once.
    """
    generated, others, reference = checked(least=3, generated=generated, others=others, reference=reference)
    sums = [_row_sums(x, reference) for x in (generated, others)]
    (first, shared), (second, other_shared) = (_left_out(*each) for each in sums)
    value = _value(*sums[0]) - _value(*sums[1])
    half = stats.norm.ppf((1 + level) / 2) * from_left_out(0.0, [first, second, shared - other_shared]).error
    return {("kid_train", DEFINITION): (float(value), float(value - half), float(value + half))}


def standard_error(aa, bb, ab, ba):
    """Return the jackknife standard error of `_value` over both sets, one row left out at a time."""
    return from_left_out(0.0, _left_out(aa, bb, ab, ba)).error


def _left_out(aa, bb, ab, ba):
    """Return what changes in `_value` as each row of the one set, and of the other, is left out."""
    return [(own.sum() - 2 * own) / ((len(own) - 1) * (len(own) - 2))
            - 2 * (cross.sum() - cross) / ((len(own) - 1) * other_size)
            for own, cross, other_size in ((aa, ab, len(bb)), (bb, ba, len(aa)))]


def _value(aa, bb, ab, ba):
    m, n = len(aa), len(bb)
    return aa.sum() / (m * (m - 1)) + bb.sum() / (n * (n - 1)) - 2 * ab.sum() / (m * n)


def _row_sums(a, b):
    """Return the sums of the kernel per row: within a and within b without the diagonal, a over b, b over a."""
    within = [np.concatenate([_kernel(part, x).sum(1) - _kernel_diagonal(part) for part in _blocks(x, len(x))])
              for x in (a, b)]
    ab, ba = [], np.zeros(len(b))
    for part in _blocks(a, len(b)):
        values = _kernel(part, b)
        ab.append(values.sum(1))
        ba += values.sum(0)
    return *within, np.concatenate(ab), ba


def _of_subsets(a, b, chosen):
    """Return the KID of subsets, each kernel between two rows computed once for all of them."""
    in_a, in_b = np.zeros((len(a), len(chosen))), np.zeros((len(b), len(chosen)))
    for k, (rows, others) in enumerate(chosen):
        in_a[rows, k] = in_b[others, k] = 1
    m, sums = len(chosen[0][0]), []
    for x, y, in_x, in_y in ((a, a, in_a, in_a), (b, b, in_b, in_b), (a, b, in_a, in_b)):
        total, start = 0.0, 0
        for part in _blocks(x, len(y)):
            mine = in_x[start : (start := start + len(part))]
            total = total + np.einsum("ik,ik->k", mine, _kernel(part, y) @ in_y)
            if x is y:
                total = total - _kernel_diagonal(part) @ mine
        sums.append(total)
    return (sums[0] + sums[1]) / (m * (m - 1)) - 2 * sums[2] / m**2


def _kernel(x, y):
    z = x @ y.T / x.shape[1] + 1
    return z * z * z


def _kernel_diagonal(x):
    return (np.einsum("ij,ij->i", x, x) / x.shape[1] + 1) ** 3


def _blocks(x, width):
    size = max(1, BLOCK_ENTRIES // width)
    return (x[start : start + size] for start in range(0, len(x), size))

"""Feature likelihood divergence: test and training rows under a density made of the samples.

    p(x) = 1/n sum_j N(x; sample_j, v_j I),   v_j fitted to the training rows by maximum likelihood
    fitted beside one more component, of weight 1, at the mean of these rows; it is left out of p
    FLD = 100 (NLL_test - baseline) / dim,    gap = 100 (NLL_train - NLL_test) / dim

baseline: NLL_test of the mixture centred on as many training rows as there are samples, at most half of them, and
fitted to the others; the mean over four such splits, whose spread is part of the interval. A copy of a training row
lets its variance collapse on that row, down to the floor of e^-40: the component at the mean explains the other rows
meanwhile, so that nothing holds the variance up. Then the gap falls far below 0 and p explains nothing else: FLD rises
with the share of copies, without bound as it nears 1. A perfect sampler has FLD near 0 and a gap below 0, by the fit
of n variances: by little in many dimensions, by much in few, as the gap of held-out rows shows.

As in the fld package, features are standardised by the test rows and squared distances to the mean are multiplied by
.81. That package fits by 50 epochs of Adam, which stop a collapse on its way to the floor; here
expectation-maximisation is run to convergence, which needs no step size. So definitions agree, values do not to the
last digit (those of pure copiers not in their order of magnitude either), and the id says which it is.

References
----------
Jiralerspong et al. 2023, Feature likelihood divergence: evaluating the generalization of generative models using
samples, equations 2 to 5.
"""

from dataclasses import replace

import numpy as np
from scipy.special import logsumexp

from fmdiag.metrics.arrays import checked, numpy_generator, subset
from fmdiag.metrics.table import metric_row, metric_table
from fmdiag.stats.resampling import GROUPS, from_left_out, group_labels

DEFINITION = "fld/jiralerspong-2023-with-mean-component-by-em"
REFERENCE = "M. Jiralerspong et al. 2023"
NEEDS_TEST = True
MOST = 4000
LOG_FLOOR = -40.0
STEPS, TOLERANCE = 100, 1e-5
SHRINK = 0.81   # of squared distances to the mean
SPLITS = 4      # of the training rows, for the baseline


def fit_variances(centers, rows):
    """Return the variances v_j, shape (n,), that maximise the likelihood of `rows`, shape (m, dim), locally.

    The likelihood is that of 1/n sum_j N(center_j, v_j I) and the component at the mean of the rows, whose own variance
    starts at 1. Each step of expectation-maximisation raises it; it starts from each center's distance to its nearest
    row and ends when a step gains less than 1e-5 per row and dimension.
    """
    dim, n = rows.shape[1], len(centers)
    d2 = np.hstack([_squared_distances(rows, centers), SHRINK * np.square(rows - rows.mean(0)).sum(1)[:, None]])
    variances, before = np.append((d2[:, :n].min(0) + 1e-3) / dim, 1.0), -np.inf
    log_shares = np.append(np.full(n, -np.log(n)), 0.0)
    for _ in range(STEPS):
        log_terms = log_shares + _log_normal(d2, variances, dim)
        likelihood = logsumexp(log_terms, axis=1, keepdims=True)
        weights = np.exp(log_terms - likelihood)
        mass = weights.sum(0)
        # A center that explains no row keeps its variance: it could not be told from any other value.
        variances = np.where(mass > 1e-300, np.einsum("ij,ij->j", weights, d2) / (dim * np.maximum(mass, 1e-300)),
                             variances)
        variances = np.maximum(variances, np.exp(LOG_FLOOR))
        if likelihood.mean() / dim - before < TOLERANCE:
            break
        before = likelihood.mean() / dim
    return variances[:n]


def negative_log_likelihood(rows, centers, variances):
    """Return -log p(x) / dim of each row, shape (m,)."""
    terms = _log_normal(_squared_distances(rows, centers), variances, rows.shape[1])
    return (np.log(len(centers)) - logsumexp(terms, axis=1)) / rows.shape[1]


def measure(generated, train, test, *, level=0.95, most=MOST, n_groups=GROUPS, generator):
    """Return the rows fld and fld_gap; columns as `table.COLUMNS`.

    Parameters
    ----------
    generated, train, test : array_like, shape (n, dim)
        Features; features that are constant over the test rows are left out.
    most : int
        Rows of each set that are used, drawn at random: time and memory grow with their products.
    n_groups : int
        Groups of the jackknife over the samples (the variances kept), the training rows and the test rows. FLD's
        interval holds the variance over the baseline's splits as well (Satterthwaite's degrees of freedom).
    level, generator
        As in every metric.
    """
    generated, train, test = checked(least={"generated": 2, "train": 4, "test": 2}, generated=generated, train=train,
                                     test=test)
    rng = numpy_generator(generator)
    spread = test.std(0, ddof=1)
    kept = spread > 0 if (spread > 0).any() else np.ones(len(spread), bool)
    generated, train, test = ((subset(x, most, rng)[:, kept] - test.mean(0)[kept]) / np.where(spread[kept] > 0,
                              spread[kept], 1) for x in (generated, train, test))
    baselines = np.stack([_baseline(generated, train, test, rng) for _ in range(SPLITS)])     # (split, test row)
    variances = fit_variances(generated, train)
    own = group_labels(len(generated), n_groups, rng)
    nll_train, left_train = _leave_centers_out(train, generated, variances, own)
    nll_test, left_test = _leave_centers_out(test, generated, variances, own)
    groups = [group_labels(len(nll), n_groups, rng) for nll in (nll_train, nll_test)]
    means_train, means_test, excess = (_leave_rows_out(nll, labels) for nll, labels in (
        (nll_train, groups[0]), (nll_test, groups[1]), (nll_test - baselines.mean(0), groups[1])))
    baseline = baselines.mean()
    fld = from_left_out(nll_test.mean() - baseline, [left_test - baseline, excess])
    gap = from_left_out(nll_train.mean() - nll_test.mean(), [
        left_train - left_test, means_train - nll_test.mean(), nll_train.mean() - means_test])
    fld = _with_splits(fld, baselines.mean(1))
    return metric_table([metric_row(name, DEFINITION, *(100 * part for part in found.interval(level)), level=level,
                                    n=len(generated), interval="jackknife")
                         for name, found in (("fld", fld), ("fld_gap", gap))])


def _baseline(generated, train, test, rng):
    """Return -log p / dim of the test rows under the mixture of one random half of the training rows, shape (m,)."""
    order, size = rng.permutation(len(train)), min(len(generated), len(train) // 2)
    first, second = train[order[:size]], train[order[size:]]
    return negative_log_likelihood(test, first, fit_variances(first, second))


def _with_splits(estimate, baselines):
    """Return the Estimate with the variance of the mean of the baselines added; Satterthwaite's degrees of freedom."""
    squares = np.array([estimate.error**2, baselines.var(ddof=1) / len(baselines)])
    freedom = np.array([estimate.freedom, len(baselines) - 1])
    total = squares.sum()
    degrees = total**2 / (squares**2 / freedom).sum() if total > 0 else estimate.freedom
    return replace(estimate, error=np.sqrt(total), freedom=degrees)


def _leave_centers_out(rows, centers, variances, labels):
    """Return (nll, means): -log p / dim per row, and its mean with each group of centers left out."""
    dim, terms = rows.shape[1], _log_normal(_squared_distances(rows, centers), variances, rows.shape[1])
    n_groups = labels.max() + 1
    groups = np.stack([logsumexp(terms[:, labels == h], axis=1) for h in range(n_groups)], axis=1)
    means = [(np.log((labels != h).sum()) - logsumexp(np.delete(groups, h, 1), axis=1)).mean() / dim
             for h in range(n_groups)]
    return (np.log(len(centers)) - logsumexp(groups, axis=1)) / dim, np.array(means)


def _leave_rows_out(values, labels):
    return np.array([values[labels != h].mean() for h in range(labels.max() + 1)])


def _log_normal(d2, variances, dim):
    return -0.5 * (d2 / variances + dim * np.log(2 * np.pi * variances))


def _squared_distances(x, centers):
    """Return |x - c|², shape (m, n), small ones from differences: where the expanded form has lost its digits."""
    norms_x, norms_c = (np.einsum("ij,ij->i", a, a) for a in (x, centers))
    total = norms_x[:, None] + norms_c
    d2 = total - 2 * x @ centers.T
    which, center = np.nonzero(d2 < 1e-9 * total)
    d2[which, center] = np.square(x[which] - centers[center]).sum(1)
    return d2

"""Differences of shares of clustered successes: tests and intervals of independent values, with effective counts.

Samples that are copies of one training example stand or fall together, and a sampler of low diversity draws the same
point again and again. With k_c successes in cluster c, k in all of n values,

    design effect = sum_c k_c² / k,    k and n divided by it,

the number of successes that a success comes with, itself included (Kish). Values without success need no correction:
the draws of one sampler are independent of one another, only what they say of the training examples is not. Effective
counts go into Fisher's test and Newcombe's interval as those of independent values would (Rao and Scott).

References
----------
Kish 1965, Survey Sampling. Rao & Scott 1992, A simple method for the analysis of clustered binary data, Biometrics 48.
"""

import numpy as np

from fmdiag.stats.differences import difference_interval, excluded_difference
from fmdiag.stats.shares import fisher_p

TINY = 1e-300


def effective_counts(flags, clusters):
    """Return (successes, n), floats, of as many independent values.

    Parameters
    ----------
    flags : array_like of bool, shape (n,)
    clusters : array_like, shape (n,)
        What each value belongs to.

    Examples
    --------
    >>> effective_counts([True, True, False, False], [0, 1, 2, 3])       # nothing shared
    (2.0, 4.0)
    >>> effective_counts([True, True, True, True], [0, 0, 1, 1])         # two that agree, each seen twice
    (2.0, 2.0)
    """
    flags = np.asarray(flags, bool)
    k, n = int(flags.sum()), flags.size
    _, sizes = np.unique(np.asarray(clusters)[flags], return_counts=True)
    effect = np.square(sizes).sum() / k if k else 1.0
    return float(k / effect), float(n / effect)


def clustered_p(counts, null_counts):
    """Return Fisher's one-sided p-values of "the first share is larger", of effective counts; elementwise.

    Between whole numbers of successes the logarithm of p is interpolated; the numbers of values are rounded.

    Parameters
    ----------
    counts, null_counts : tuple of (float or array_like)
        (successes, n) of `effective_counts`.
    """
    (k, n), (k0, n0) = (np.asarray(pair, dtype=float) for pair in (counts, null_counts))
    n, n0 = np.round(n), np.round(n0)
    low, low0 = np.minimum(np.floor(k + 1e-9), n), np.minimum(np.floor(k0 + 1e-9), n0)
    part, part0 = np.clip(k - low, 0, 1), np.clip(k0 - low0, 0, 1)
    high, high0 = np.minimum(low + 1, n), np.minimum(low0 + 1, n0)
    corners = [(low, low0, (1 - part) * (1 - part0)), (high, low0, part * (1 - part0)),
               (low, high0, (1 - part) * part0), (high, high0, part * part0)]
    return np.exp(sum(weight * np.log(np.maximum(fisher_p(a, n, b, n0), TINY)) for a, b, weight in corners))


def clustered_difference(counts, null_counts, *, level=0.95):
    """Return (difference, low, high) of two shares given by effective counts: Newcombe's interval of these."""
    return tuple(float(end) for end in difference_interval(*counts, *null_counts, level=level))


def clustered_exclusion(counts, null_counts, *, level=0.95):
    """Return the difference above which all are excluded, a one-sided upper limit, not below 0."""
    return excluded_difference(*counts, *null_counts, level=level)

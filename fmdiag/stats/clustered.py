"""Differences of shares of clustered values: tests and intervals of independent values, with effective counts.

Samples that share their nearest training example stand or fall together, and a sampler of low diversity draws the same
point again and again. Their share p is worth n* independent values (`effective_size`), and p n* successes of n* go into
Fisher's test and Newcombe's interval.

References
----------
Rao & Scott 1992, A simple method for the analysis of clustered binary data, Biometrics 48. Korn & Graubard 1998.
"""

import math

import numpy as np

from fmdiag.stats.differences import difference_interval
from fmdiag.stats.intervals import effective_size
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
    n = effective_size(flags, clusters)
    return float(np.mean(flags) * n), n


def clustered_p(counts, null_counts):
    """Return Fisher's one-sided p-value of "the first share is larger", of effective counts.

    Between whole numbers of successes the logarithm of p is interpolated; the numbers of values are rounded.

    Parameters
    ----------
    counts, null_counts : tuple of float
        (successes, n) of `effective_counts`.
    """
    (k, n), (k0, n0) = counts, null_counts
    n, n0 = round(n), round(n0)
    low, low0 = min(math.floor(k + 1e-9), n), min(math.floor(k0 + 1e-9), n0)
    high, high0 = np.minimum([low + 1, low0 + 1], [n, n0])
    part, part0 = min(max(k - low, 0.0), 1.0), min(max(k0 - low0, 0.0), 1.0)
    logs = np.log(np.maximum(fisher_p(np.array([[low], [high]]), n, np.array([low0, high0]), n0), TINY))
    return float(np.exp(np.array([1 - part, part]) @ logs @ np.array([1 - part0, part0])))


def clustered_difference(counts, null_counts, *, level=0.95):
    """Return (difference, low, high) of two shares given by effective counts: Newcombe's interval of these."""
    return tuple(float(end) for end in difference_interval(*counts, *null_counts, level=level))


def clustered_exclusion(counts, null_counts, *, level=0.95):
    """Return the difference above which all are excluded, a one-sided upper limit, not below 0."""
    return max(0.0, clustered_difference(counts, null_counts, level=2 * level - 1)[2])

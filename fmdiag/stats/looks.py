"""Levels of repeated looks at a training run, however many there will be: alpha spending, the online Bonferroni.

Look k = 1, 2, ... is tested at the level

    alpha_k = alpha / (k (k + 1)),     alpha_1 + ... + alpha_K = alpha (1 - 1 / (K + 1)) < alpha for every K,

so that over however many looks, stopped whenever, the probability of any false alarm is at most alpha: a union bound,
whatever the dependence of the looks, which share the data, the initial noise and most of the weights. J tests at each
look share its level equally: a p-value is corrected by the factor J k (k + 1). A decision once taken stays, because no
later look changes an earlier level.

The p-values must be able to get there. Fisher's test of shares is exact; a test by random exchanges has no p-value
below 1 / (exchanges + 1), and needs `exchanges_needed` of them, which grows with k².

Where all looks are at hand and no more will come, Holm's correction (`fmdiag.stats.holm`) or the largest statistic
over the looks under common exchanges (`fmdiag.stats.exchange_pairs`, a column per look) lose less.

References
----------
K. K. G. Lan and D. L. DeMets 1983, "Discrete sequential boundaries for clinical trials", Biometrika 70 (a level that is
spent over looks). J. Tian and A. Ramdas 2021, "Online control of the familywise error rate", Statistical Methods in
Medical Research 30, section 2 ("Alpha-Spending": a summable sequence of levels, an unknown number of tests).
"""

import math

import numpy as np

ERROR = 0.05     # probability of any false alarm over all looks
WITHIN = 1.1     # of the smallest distance of a run: as good as it gets
FEWEST, MOST = 20_000, 2_000_000   # exchanges


def level_of(look, *, n_tests=1, error=ERROR):
    """Return the level at which each of `n_tests` tests of look number `look` = 1, 2, ... is made; elementwise.

    Examples
    --------
    >>> [round(level_of(k), 5) for k in (1, 2, 20)]
    [0.025, 0.00833, 0.00012]
    """
    return error / (n_tests * look * (look + 1))


def corrected(p_values, *, n_tests=1):
    """Return p-values corrected for all looks: those up to `ERROR` are rejected.

    Parameters
    ----------
    p_values : array_like, shape (looks,)
        Of one test, in the order of the looks. NaN where a look was not measured: it stays NaN and spends nothing.
    n_tests : int
        Tests that are made at each look.

    Examples
    --------
    >>> corrected([0.01, float("nan"), 0.001]).round(3).tolist()         # 1 * 2 * 0.01, and 2 * 3 * 0.001
    [0.02, nan, 0.006]
    """
    p_values = np.asarray(p_values, dtype=float)
    look = np.cumsum(~np.isnan(p_values))
    return np.minimum(1.0, p_values * n_tests * look * (look + 1))


def exchanges_needed(look, *, n_tests=1, error=ERROR):
    """Return how many random exchanges let the smallest p-value reach half the level of look number `look`.

    Not fewer than 20 000. From look 158 on (of two tests at 5 %) it would be over 2 000 000, which it stays at, and no
    p-value reaches its level from look 224 on.

    Examples
    --------
    >>> exchanges_needed(1), exchanges_needed(100, n_tests=2)
    (20000, 808000)
    """
    return min(MOST, max(FEWEST, math.ceil(2 / level_of(look, n_tests=n_tests, error=error) - 1e-6)))


def first_rejected(steps, p_values, *, error=ERROR):
    """Return (value, low, high) of the step from which a test rejects: its first rejection, in (low, value].

    Parameters
    ----------
    steps, p_values : array_like, shape (looks,)
        In order; corrected for all looks. A look with NaN is passed over.

    Returns
    -------
    tuple of float
        The step of the first rejection, that of the look before it (0 where there is none), and again the first. NaN,
        the last look and infinity where none rejects. The interval holds the step at which the test would first have
        rejected had it been made at every step; that it did not reject earlier is no proof that nothing was there.

    Examples
    --------
    >>> first_rejected([100, 200, 400], [0.8, 0.03, 0.2])
    (200.0, 100.0, 200.0)
    """
    steps, rejected = _measured(steps, p_values)
    rejected = rejected <= error
    if not rejected.any():
        return math.nan, float(steps[-1]) if len(steps) else 0.0, math.inf
    first = int(np.argmax(rejected))
    return float(steps[first]), _before(steps, first), float(steps[first])


def first_near_smallest(steps, values, low=None, high=None, *, within=WITHIN):
    """Return (value, low, high) of the first step whose value is within a tenth of the smallest of the run.

    Parameters
    ----------
    steps, values : array_like, shape (looks,)
        In order; such as test distances, positive. A look with NaN is passed over.
    low, high : array_like, shape (looks,), optional
        Intervals of the values; NaN where there is none, as if the value were exact.
    within : float
        Factor of the smallest value.

    Returns
    -------
    tuple of float
        The step, that of the look before the earliest that could be it, and the latest that could be it: wherever in
        their intervals the values lie. NaN, 0 and infinity where nothing was measured.

    Examples
    --------
    >>> first_near_smallest([100, 200, 400], [9.0, 1.05, 1.0])
    (200.0, 100.0, 200.0)
    """
    low, high = values if low is None else low, values if high is None else high
    steps, values, low, high = _measured(steps, values, low, high)
    if not len(steps):
        return math.nan, 0.0, math.inf
    low, high = np.where(np.isnan(low), values, low), np.where(np.isnan(high), values, high)
    first = int(np.argmax(values <= within * values.min()))
    earliest = int(np.argmax(low <= within * high.min()))
    surely = np.flatnonzero(high <= within * low.min())
    # The look with the smallest value is within it, wherever it is.
    latest = min([*surely[:1], np.flatnonzero(low <= high.min())[-1]])
    return float(steps[first]), _before(steps, earliest), float(steps[latest])


def _measured(steps, values, *others):
    steps, values, *others = (np.asarray(column, dtype=float) for column in (steps, values, *others))
    known = ~np.isnan(values)
    return [column[known] for column in (steps, values, *others)]


def _before(steps, place):
    return float(steps[place - 1]) if place else 0.0

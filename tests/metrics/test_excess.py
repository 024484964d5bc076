"""Fisher's test by enumeration, Holm's example, and sample sizes whose exact power is counted."""

from math import comb

import numpy as np
import pytest
from scipy import stats

from fmdiag.errors import FmdiagError
from fmdiag.metrics.excess import excess_p_value, holm, resolvable_excess, samples_needed


def test_p_value_by_enumeration():
    """Given 5 successes among 12 + 8, the chance of at least 4 in the first group."""
    expected = sum(comb(12, k) * comb(8, 5 - k) for k in (4, 5)) / comb(20, 5)
    assert excess_p_value(4, 12, 1, 8) == pytest.approx(expected, rel=1e-12)


def test_no_excess_has_no_small_p_value():
    assert excess_p_value(0, 100, 0, 50) == 1 and excess_p_value(3, 100, 30, 100) > 0.99


@pytest.mark.parametrize("null", [0.0, 0.1, 1 / 3])
def test_the_test_keeps_its_level(null):
    """P(p <= 0.05) under equal shares, counted over all outcomes, is at most 0.05."""
    n, m = 40, 25
    size = sum(stats.binom.pmf(i, n, null) * stats.binom.pmf(j, m, null) for i in range(n + 1) for j in range(m + 1)
               if stats.binom.pmf(i, n, null) * stats.binom.pmf(j, m, null) > 1e-8
               and excess_p_value(i, n, j, m) <= 0.05)
    assert size <= 0.05


def test_holm_by_hand():
    """Four tests: 4 * .005, 3 * .01, 2 * .03, then not less than before."""
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1, 1] and holm([0.2]).tolist() == [0.2]


def test_holm_keeps_the_family_wise_error():
    """10 true nulls, uniform p-values, 4000 families: a rejection in at most 5 % of them, + 4 standard errors."""
    p = np.random.default_rng(0).uniform(size=(4000, 10))
    rejected = np.mean([holm(row).min() <= 0.05 for row in p])
    assert 0.03 < rejected < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize(("excess", "null"), [(0.1, 0.0), (0.05, 0.01), (0.1, 0.1), (0.15, 0.33)])
def test_the_advised_size_has_the_power(excess, null):
    """Power by counting all outcomes of probability above 1e-7: 0.9 or, where counts are few and coarse, more."""
    n = samples_needed(excess, null)

    def power(size):
        a, b = (stats.binom.pmf(np.arange(size + 1), size, p) for p in (null + excess, null))
        # The null's count j is rejected for all i from some i on: step along.
        total, i = 0.0, 0
        for j in np.flatnonzero(b > 1e-7):
            while i <= size and excess_p_value(i, size, j, size) > 0.05:
                i += 1
            total += b[j] * a[i:].sum()
        return total

    assert 0.9 < power(n) < 0.98
    assert power(int(0.7 * n)) < 0.87


def test_what_the_present_samples_can_resolve_is_the_inverse():
    found = resolvable_excess(0.02, 300, 300)
    assert abs(samples_needed(found, 0.02) - 300) <= 1
    assert resolvable_excess(0.02, 1000, 300) == pytest.approx(resolvable_excess(0.02, 461.54, 461.54), rel=1e-2)
    assert np.isnan(resolvable_excess(0.5, 3, 3))
    assert np.isnan(resolvable_excess(1.0, 100, 100))   # held-out rows that are training rows: nothing exceeds them


@pytest.mark.parametrize(("excess", "null"), [(0.0, 0.1), (0.5, 0.6), (-0.1, 0.3)])
def test_impossible_excesses_are_refused(excess, null):
    with pytest.raises(FmdiagError, match="null \\+ excess at most 1"):
        samples_needed(excess, null)

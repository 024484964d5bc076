"""Fisher's test by enumeration and scipy, McNemar's by the binomial, Holm's own example and error."""

from math import comb

import numpy as np
import pytest
from scipy import stats

from fmdiag.stats import fisher_p, holm, mcnemar_p


def test_p_value_by_enumeration():
    """Given 5 successes among 12 + 8, the chance of at least 4 in the first group."""
    expected = sum(comb(12, k) * comb(8, 5 - k) for k in (4, 5)) / comb(20, 5)
    assert fisher_p(4, 12, 1, 8) == pytest.approx(expected, rel=1e-12)


def test_p_values_are_scipys_for_arrays_too():
    """Against scipy's own test, whose tail is summed from the other side."""
    k, j = np.array([0, 3, 30, 500]), np.array([0, 1, 12, 400])
    expected = [stats.fisher_exact([[a, 1000 - a], [b, 700 - b]], alternative="greater").pvalue
                for a, b in zip(k, j, strict=True)]
    np.testing.assert_allclose(fisher_p(k, 1000, j, 700), expected, rtol=1e-9)


def test_no_excess_has_no_small_p_value():
    assert fisher_p(0, 100, 0, 50) == 1 and fisher_p(3, 100, 30, 100) > 0.99


@pytest.mark.parametrize("null", [0.0, 0.1, 1 / 3])
def test_the_test_keeps_its_level(null):
    """P(p <= 0.05) under equal shares, counted over all outcomes, is at most 0.05."""
    n, m = 40, 25
    i, j = np.mgrid[: n + 1, : m + 1]
    weights = stats.binom.pmf(i, n, null) * stats.binom.pmf(j, m, null)
    assert weights[fisher_p(i, n, j, m) <= 0.05].sum() <= 0.05


def test_holm_by_hand():
    """Four tests: 4 * .005, 3 * .01, 2 * .03, then not less than before."""
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1, 1] and holm([0.2]).tolist() == [0.2]


def test_holm_keeps_the_family_wise_error():
    """10 true nulls, uniform p-values, 4000 families: a rejection in at most 5 % of them, + 4 standard errors."""
    p = np.random.default_rng(0).uniform(size=(4000, 10))
    rejected = np.mean([holm(row).min() <= 0.05 for row in p])
    assert 0.03 < rejected < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 4000)


def test_mcnemar_is_the_binomial_test_of_the_discordant_pairs():
    a, b = np.repeat([True, False, True], [9, 3, 20]), np.repeat([False, True, True], [9, 3, 20])
    assert mcnemar_p(a, b) == pytest.approx(2 * stats.binom.cdf(3, 12, 0.5))
    assert mcnemar_p(a, a) == 1.0

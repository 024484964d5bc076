"""Power against simulation of the very rule, the rule against the verdict, and what follows from the power."""

import numpy as np
import pandas as pd
import pytest

from fmdiag.diagnostics.memorization.rule import verdict
from fmdiag.errors import FmdiagError
from fmdiag.stats import (
    difference_interval,
    fisher_p,
    power_to_find,
    proportion_interval,
    resolvable_excess,
    row,
    samples_needed,
)


def found(k, n, null_k, null_n):
    """Return whether the rule finds an excess."""
    return (difference_interval(k, n, null_k, null_n)[1] > 0) & (fisher_p(k, n, null_k, null_n) <= 0.05)


@pytest.mark.parametrize(("excess", "null", "n", "null_n"), [
    (0.02, 0.0, 300, 300), (0.04, 0.01, 1000, 180), (0.1, 0.1, 150, 400), (0.15, 0.33, 200, 200),
    (0.02, 0.05, 2000, 2000), (0.0, 0.05, 500, 500), (0.3, 0.0, 12, 12), (0.8, 0.0, 8, 2), (0.5, 0.1, 40, 6)])
def test_the_power_is_that_of_the_simulated_rule(excess, null, n, null_n):
    """Counts drawn 4000 times and judged by the rule itself.

    The share found has a standard error of at most sqrt(.25 / 4000) = .0079; four of these, and 1/200 for the slices of
    the null: with probability above 1 - 1e-4 the difference is below .037 (the nine cases together: 1e-3). With
    few rows of the null Fisher's test decides, with many the interval.
    """
    rng = np.random.default_rng(0)
    simulated = found(rng.binomial(n, null + excess, 4000), n, rng.binomial(null_n, null, 4000), null_n).mean()
    expected = power_to_find(excess, null, n, null_n)
    assert abs(simulated - expected) < 4 * np.sqrt(max(expected * (1 - expected), 0.01) / 4000) + 0.005


def rows(k, n, null_k, null_n):
    keys = {"feature": "pixels", "threshold": 1 / 3}
    return pd.DataFrame([
        row("memorization", "f_mem", proportion_interval(k, n), **keys, source="model", n=n, interval="exact"),
        row("memorization", "f_mem", proportion_interval(null_k, null_n), **keys, source="heldout", n=null_n,
            interval="exact"),
        row("memorization", "f_mem_excess", difference_interval(k, n, null_k, null_n), **keys, source="model", n=n),
        row("memorization", "p_value", fisher_p(k, n, null_k, null_n), **keys, source="model", n=n)])


@pytest.mark.parametrize(("k", "n", "null_k", "null_n"), [
    (3, 200, 0, 200), (4, 200, 0, 200), (5, 200, 0, 200), (6, 200, 0, 200), (30, 200, 19, 200), (34, 200, 20, 200),
    (35, 200, 20, 200), (5, 6, 1, 8), (6, 6, 1, 8), (7, 1000, 0, 150), (25, 1000, 0, 150), (4, 4, 0, 2), (8, 8, 0, 2)])
def test_the_verdict_follows_the_rule_whose_power_is_given(k, n, null_k, null_n):
    assert (verdict(rows(k, n, null_k, null_n)).answer == "copies found") == found(k, n, null_k, null_n)


@pytest.mark.parametrize(("excess", "null"), [(0.1, 0.0), (0.05, 0.01), (0.1, 0.1), (0.15, 0.33)])
def test_the_advised_size_has_the_power_and_a_smaller_one_has_not(excess, null):
    n = samples_needed(excess, null)
    assert 0.9 <= power_to_find(excess, null, n, n) < 0.93
    assert power_to_find(excess, null, int(0.8 * n), int(0.8 * n)) < 0.88


@pytest.mark.parametrize(("null", "n", "null_n"), [(0.0, 200, 200), (0.02, 300, 300), (0.1, 1000, 180)])
def test_what_can_be_resolved_is_found_as_often_as_promised(null, n, null_n):
    excess = resolvable_excess(null, n, null_n)
    assert power_to_find(excess, null, n, null_n) == pytest.approx(0.9, abs=1e-6)
    assert resolvable_excess(null, n, null_n, power=0.8) < excess < resolvable_excess(null, n, null_n // 2)


def test_where_nothing_can_be_resolved_there_is_no_number():
    assert np.isnan(resolvable_excess(0.5, 3, 3))
    assert np.isnan(resolvable_excess(1.0, 100, 100))   # held-out rows that are training rows: nothing exceeds them


@pytest.mark.parametrize(("excess", "null"), [(0.0, 0.1), (0.5, 0.6), (-0.1, 0.3)])
def test_impossible_excesses_are_refused(excess, null):
    with pytest.raises(FmdiagError, match="null \\+ excess at most 1"):
        samples_needed(excess, null)

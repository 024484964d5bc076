"""Tests of looks at a training run: exact sums of levels, exact false-alarm rates, steps counted by hand."""

import math

import numpy as np
import pytest

from fmdiag.stats import corrected, exchanges_needed, first_near_smallest, first_rejected, level_of

NAN = math.nan


@pytest.mark.parametrize("n_tests", [1, 2, 3])
def test_levels_sum_to_the_error_and_never_exceed_it(n_tests):
    spent = np.cumsum(n_tests * level_of(np.arange(1, 5001), n_tests=n_tests))
    np.testing.assert_allclose(spent, 0.05 * (1 - 1 / np.arange(2, 5002)), rtol=1e-12)
    assert (spent < 0.05).all()


def test_a_corrected_p_value_is_below_the_error_exactly_where_p_is_below_its_level():
    p = np.geomspace(1e-6, 1, 40)
    for n_tests in (1, 2):
        levels = level_of(np.arange(1, 41), n_tests=n_tests)
        assert ((corrected(p, n_tests=n_tests) <= 0.05) == (p <= levels)).all()
    assert (corrected(p[:7]) == corrected(p)[:7]).all()          # later looks change nothing


def test_a_look_that_was_not_measured_spends_nothing():
    np.testing.assert_allclose(corrected([NAN, 0.01, NAN, 0.001, 0.9]), [NAN, 0.02, NAN, 0.006, 1.0])


def test_false_alarms_over_independent_looks_are_those_of_the_levels():
    # Independent uniform p-values, the case in which the union bound loses least: 1 - prod(1 - alpha_k) = .0468.
    exact = 1 - np.prod(1 - level_of(np.arange(1, 21)))
    p = np.random.default_rng(0).random((4000, 20))
    found = np.mean([(corrected(looks) <= 0.05).any() for looks in p])
    assert abs(found - exact) < 4 * math.sqrt(exact / 4000)
    assert exact < 0.05


def test_as_many_exchanges_as_the_level_needs():
    for look in (1, 10, 21, 60, 150):
        for n_tests in (1, 2):
            assert 1 / (1 + exchanges_needed(look, n_tests=n_tests)) <= 0.51 * level_of(look, n_tests=n_tests)
    assert 1 / (1 + exchanges_needed(223, n_tests=2)) <= level_of(223, n_tests=2)
    assert 1 / (1 + exchanges_needed(224, n_tests=2)) > level_of(224, n_tests=2)


@pytest.mark.parametrize("p, expected", [
    ([0.04, 0.3, 0.01], (10, 0, 10)), ([0.9, 0.05, 0.6], (20, 10, 20)), ([0.9, NAN, 0.01], (40, 10, 40)),
    ([0.9, 0.06, 1.0], (NAN, 40, math.inf)), ([NAN, NAN, NAN], (NAN, 0, math.inf))])
def test_the_first_rejection(p, expected):
    np.testing.assert_equal(first_rejected([10, 20, 40], p), expected)


def test_the_first_that_is_near_the_smallest():
    steps, values = [1, 2, 4, 8], np.array([9.0, 1.09, 1.0, 5.0])
    assert first_near_smallest(steps, values) == (2, 1, 2)
    assert first_near_smallest(steps, [9.0, NAN, 1.0, 5.0]) == (4, 1, 4)
    assert first_near_smallest(steps, values, within=1.0) == (4, 2, 4)
    # Each .5 wide: look 2 could be good or not, look 4 may hold the smallest, look 8 cannot.
    assert first_near_smallest(steps, values, values - 0.25, values + 0.25) == (2, 1, 4)
    assert first_near_smallest(steps, values, values - 9, values + 9) == (2, 0, 8)     # nothing is known
    np.testing.assert_equal(first_near_smallest(steps, [NAN] * 4), (NAN, 0, math.inf))


def test_wherever_the_values_lie_in_their_intervals_the_first_is_inside():
    rng = np.random.default_rng(1)
    steps, centre, half = np.arange(1, 9), rng.uniform(1, 1.5, 8), rng.uniform(0, 0.3, 8)
    _, low, high = first_near_smallest(steps, centre, centre - half, centre + half)
    found = {first_near_smallest(steps, rng.uniform(centre - half, centre + half))[0] for _ in range(300)}
    assert len(found) > 1 and low < min(found) and max(found) <= high

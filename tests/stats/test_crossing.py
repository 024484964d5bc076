"""Where a falling share crosses a threshold: exact limits by enumeration, the value by interpolation."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import optimize, stats

from fmdiag.stats import falling_crossing
from fmdiag.stats.crossing import _falling

SIZES, TRIALS, THRESHOLD = (10, 20, 40), 11, 0.5


@pytest.fixture(scope="module")
def limits():
    """The limits of every outcome of eleven trials at three sizes."""
    return {counts: falling_crossing(SIZES, counts, [TRIALS] * 3, threshold=THRESHOLD)
            for counts in product(range(TRIALS + 1), repeat=3)}


@pytest.mark.parametrize("shares", [(0.5, 0.49, 0.1), (0.5, 0.5, 0.49), (0.9, 0.5, 0.49), (0.49, 0.49, 0.49),
                                    (0.5, 0.5, 0.5), (0.99, 0.7, 0.5), (0.49, 0.2, 0.0)])
def test_the_limits_hold_the_crossing_with_their_probability(limits, shares):
    """Every outcome is enumerated: where shares lie just at the threshold an error is likeliest."""
    n_above = sum(share >= THRESHOLD for share in shares)
    low, high = ((0.0, *SIZES)[n_above], (*SIZES, math.inf)[n_above])
    held = sum(stats.binom.pmf(counts, TRIALS, shares).prod() for counts, found in limits.items()
               if found[1] <= low and found[2] >= high)
    assert held >= 0.95


def test_the_value_lies_between_the_limits_whatever_the_counts(limits):
    # The value may lie below all sizes or above them, where the limits are 0 and inf.
    assert all(low <= value <= high for value, low, high in limits.values())
    assert {low for _, low, _ in limits.values()} == {0, *SIZES}


@pytest.mark.parametrize("counts, value", [
    ((100, 90, 0), 20), ((100, 80, 0), 10 * math.sqrt(2)), ((80, 70, 60), 0), ((92, 88, 92), math.inf),
    # .88 and .91 are pooled to .895, so that .9 lies four fifths of the way from .92 on.
    ((92, 88, 91, 10), 10 * 2**0.8)])
def test_the_value_is_interpolated_in_log_n_between_shares_made_to_fall(counts, value):
    assert falling_crossing((10, 20, 40, 80)[:len(counts)], counts, [100] * len(counts))[0] == pytest.approx(value)


def test_shares_made_to_fall_are_scipys_isotonic_regression():
    rng = np.random.default_rng(0)
    counts = rng.integers(20, 60, 9)
    successes = rng.binomial(counts, np.linspace(0.9, 0.3, 9))
    expected = optimize.isotonic_regression(successes / counts, weights=counts, increasing=False).x
    assert _falling(successes, counts) == pytest.approx(expected, abs=1e-12)


def test_certain_counts_give_neighbouring_sizes():
    assert falling_crossing((10, 20, 40), (500, 490, 100), (500,) * 3)[1:] == (20, 40)
    assert falling_crossing((10, 20), (500, 500), (500,) * 2) == (math.inf, 20, math.inf)
    assert falling_crossing((10, 20), (5, 0), (500,) * 2) == (0, 0, 10)

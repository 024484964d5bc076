"""Exchanges within pairs: p by all exchanges, the maximum over columns, and a band that agrees with the test."""

import itertools

import numpy as np
import pytest
from scipy import stats

from fmdiag.errors import FmdiagError
from fmdiag.stats import auc, exchange_pairs, newcombe_auc


def test_areas_are_those_of_all_pairs_and_p_is_that_of_all_exchanges():
    """8 pairs have 256 exchanges; 20 000 random ones have a standard error of at most .0036."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 8, 2)).round(1)
    x += 0.7
    found = exchange_pairs(x, y)
    np.testing.assert_allclose(found.areas, [auc(x[:, k], y[:, k]) for k in range(2)], rtol=1e-12)
    every = [[auc(np.where(swap, y[:, k], x[:, k]), np.where(swap, x[:, k], y[:, k])) for k in range(2)]
             for swap in itertools.product([False, True], repeat=8)]
    exact = (np.array(every) >= found.areas - 1e-12).mean(0)
    np.testing.assert_allclose(found.larger_p(), exact, atol=4 * 0.0036)


def test_the_band_holds_newcombe_and_leaves_out_a_half_where_the_maximum_test_rejects():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 30, 12))
    x[:, -1] += 1.5
    found = exchange_pairs(x, y, n_exchanges=2000)
    areas, low, high = found.band()
    for k in range(12):
        _, inner_low, inner_high = newcombe_auc(x[:, k], y[:, k])
        assert low[k] < inner_low < areas[k] < inner_high < high[k]
    largest = np.abs(found.null - 0.5).max(1)
    rejected = np.abs(areas - 0.5) > np.quantile(largest, 0.95, method="higher")
    np.testing.assert_array_equal(rejected, (low > 0.5) | (high < 0.5))
    assert rejected.tolist() == [False] * 11 + [True]


def test_separated_pairs_have_a_band_of_some_width_inside_the_possible_range():
    found = exchange_pairs(np.arange(16.0)[:, None] + 100, np.arange(16.0)[:, None], n_exchanges=2000)
    (area,), (low,), (high,) = found.band()
    assert area == high == 1 and 0.7 < low < 0.95 and found.larger_p()[0] < 0.002
    nothing = exchange_pairs(np.zeros((9, 2)), np.zeros((9, 2)), n_exchanges=200)
    assert nothing.larger_p().tolist() == [1, 1] and (nothing.band()[1] < 0.5).all()


def test_no_false_alarm_beyond_the_level_in_any_of_many_columns():
    """200 null repetitions of 8 columns that share their pairs' noise: P[20 or more reject] = .2 % at 5 % each.

    Tested column by column a third of the repetitions would reject.
    """
    alarms, single = 0, 0
    for k in range(200):
        rng = np.random.default_rng([7, k])
        shared = rng.normal(size=(20, 1))
        found = exchange_pairs(*(shared + rng.normal(size=(2, 20, 8))), n_exchanges=400, seed=k)
        _, low, high = found.band()
        alarms += ((low > 0.5) | (high < 0.5)).any()
        single += (found.larger_p() < 0.05).any()
    assert alarms < 20 <= single
    assert stats.binom.sf(19, 200, 0.05) < 0.003


@pytest.mark.parametrize(("x", "y"), [(np.zeros((3, 1)), np.zeros((4, 1))), (np.zeros(3), np.zeros(3)),
                                      (np.full((3, 1), np.nan), np.zeros((3, 1)))])
def test_what_are_no_pairs_is_refused(x, y):
    with pytest.raises(FmdiagError, match="finite scores of one shape"):
        exchange_pairs(x, y)

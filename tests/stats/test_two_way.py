"""Two-way clusters: one value each is Student's interval, and either kind of sharing widens it."""

import numpy as np
import pytest

from fmdiag.stats import mean_interval, two_way_interval


def test_unshared_values_have_students_interval():
    values = np.random.default_rng(0).normal(size=12)
    found = two_way_interval(values, np.arange(12), np.arange(12)[::-1])
    assert found == pytest.approx(mean_interval(values), rel=1e-12)


def test_repeated_values_count_once_whichever_label_says_so():
    values = np.random.default_rng(0).normal(size=9)
    repeated, own, fresh = np.repeat(values, 4), np.repeat(np.arange(9), 4), np.arange(36)
    for labels in ((own, fresh), (fresh, own), (own, own)):
        assert two_way_interval(repeated, *labels) == pytest.approx(mean_interval(values), rel=1e-12)


def test_no_interval_without_variation():
    assert np.isnan(two_way_interval([1.0, 2.0], [0, 0], [0, 1])[1:]).all()
    assert np.isnan(two_way_interval([1.0, 1.0], [0, 1], [0, 1])[1:]).all()

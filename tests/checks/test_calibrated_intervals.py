"""The intervals whose misses are counted: each can be drawn, repeatably, and has a truth and a width."""

import numpy as np
import pytest

from checks.calibration.intervals import INTERVALS

QUICK = ("bounded", "auc", "frechet", "kid_train less", "dcr_share", "authpct less", "fld less")


@pytest.mark.parametrize("name", [name for name in INTERVALS if name.startswith(QUICK) and "of the model" not in name])
def test_an_interval_is_drawn(name):
    low, high, truth = INTERVALS[name](np.random.default_rng(0))
    assert np.isfinite([low, high, truth]).all() and low < high
    assert INTERVALS[name](np.random.default_rng(0)) == (low, high, truth)

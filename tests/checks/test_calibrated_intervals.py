"""The intervals whose misses are counted: each can be drawn, repeatably, and has a truth and a width."""

import numpy as np
import pytest

from checks.calibration.intervals import INTERVALS
from checks.calibration.theories import INTERVALS as OF_THEORIES

QUICK = ("bounded", "auc", "frechet", "kid_train less", "dcr_share", "authpct less", "fld less")


@pytest.mark.parametrize("name", [name for name in INTERVALS if name.startswith(QUICK) and "of the model" not in name])
def test_an_interval_is_drawn(name):
    low, high, truth = INTERVALS[name](np.random.default_rng(0))
    assert np.isfinite([low, high, truth]).all() and low < high
    assert INTERVALS[name](np.random.default_rng(0)) == (low, high, truth)


@pytest.mark.parametrize("name", [name for name in OF_THEORIES if "Gaussian, model" in name])
def test_an_interval_of_theories_is_drawn(name):
    low, high, truth = OF_THEORIES[name](np.random.default_rng(0))
    assert np.isfinite([low, high, truth]).all() and low < high

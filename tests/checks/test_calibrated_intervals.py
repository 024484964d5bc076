"""The intervals whose misses are counted: each can be drawn, repeatably, and has a truth and a width."""

import numpy as np
import pytest

from checks.calibration.intervals import INTERVALS

QUICK = [name for name in INTERVALS if name.startswith(("bounded", "auc", "frechet_infinity")) or "less" in name]


@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")     # so few rows have no held-out value of C_T
@pytest.mark.parametrize("name", [name for name in QUICK if not name.startswith("ct")])
def test_an_interval_is_drawn(name):
    low, high, truth = INTERVALS[name](np.random.default_rng(0))
    assert np.isfinite([low, high, truth]).all() and low < high
    assert INTERVALS[name](np.random.default_rng(0)) == (low, high, truth)

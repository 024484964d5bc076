"""The short table on stdout: as many digits as the interval supports, at most 100 columns, gaps where nothing is."""

import numpy as np
import pandas as pd
import pytest

from fmdiag.results.short_table import short_table
from fmdiag.stats import summary_row


def table(*rows):
    return short_table(pd.DataFrame(rows))


@pytest.mark.parametrize(("value", "low", "high", "shown"), [
    (0.912345, 0.9, 0.92, "0.912 [0.9, 0.92]"),
    (1074.4, 1010.2, 1139.7, "1074 [1010, 1140]"),
    (1.0, 1.0, 1.0, "1 [1, 1]"),
    (0.0, 0.0, 0.0, "0 [0, 0]"),
    (0.00066667, 0.00066667, 0.00066667, "0.000667 [0.000667, 0.000667]"),
    (8.48e-7, -3.09e-7, 2.01e-6, "8.48e-07 [-3.09e-07, 2.01e-06]"),
    (-0.0001, -0.3, 0.3, "0 [-0.3, 0.3]"),
    (0.4837, np.nan, np.nan, "0.4837"),
    (0.4837, None, None, "0.4837"),
    (0.58, 0.4, None, "0.58"),
])
def test_digits_follow_the_interval(value, low, high, shown):
    row = summary_row("demo", "x", [1.0]) | {"value": value, "low": low, "high": high}
    assert table(row).splitlines()[-1].strip() == f"x {shown}"


def test_a_line_per_source_and_no_line_without_a_value():
    rows = [summary_row("demo", "share", [True, False], interval="exact", source=s) for s in ("model", "null")]
    text = table(*rows, summary_row("demo", "excess", [0.0, 0.5, 1.0], source="model"))
    assert [line.split()[0] for line in text.splitlines()[1:]].count("null") == 1
    assert "NaN" not in text and "nan" not in text


def test_wide_tables_are_cut_into_tables_of_100_columns():
    names = [f"quantity_number_{k}" for k in range(9)]
    rows = [summary_row("demo", name, np.random.default_rng(0).normal(size=5), t=t) for name in names
            for t in np.linspace(0, 1, 101)]
    lines = table(*rows).splitlines()
    assert max(map(len, lines)) <= 100
    assert all(sum(name in line for line in lines) == 1 for name in names)
    assert sum(line.split()[:1] == ["1.0"] for line in lines) == sum(line.split()[:1] == ["t"] for line in lines) > 1

"""Summary rows keep what they belong to, and every kind of interval fits into them."""

import numpy as np
import pandas as pd

from fmdiag.stats import proportion_interval, row, summarise, summary_row


def test_summarise_keeps_the_keys():
    table = pd.DataFrame({"t": [0.1, 0.1, 0.2, 0.2], "x": [1.0, 3.0, 5.0, 5.0]})
    rows = summarise("demo", table, ["x"], by=["t"])
    assert rows["value"].tolist() == [2.0, 5.0]
    assert rows["n"].tolist() == [2, 2]
    assert rows["t"].tolist() == [0.1, 0.2]


def test_rows_of_all_kinds_have_the_same_columns():
    """One table holds them: a mean, an exact share, and a number without an interval."""
    rows = [summary_row("demo", "x", [1.0, 2.0], t=0.5), summary_row("demo", "y", [True, False], interval="exact", t=1),
            row("demo", "z", 3, n=2, t=0.5)]
    assert len({tuple(one) for one in rows}) == 1
    assert tuple(rows[1][name] for name in ("value", "low", "high")) == proportion_interval(1, 2)
    assert rows[2]["value"] == 3.0 and np.isnan(rows[2]["low"]) and rows[2]["interval"] == "none"
    assert pd.DataFrame(rows)["n"].tolist() == [2, 2, 2]

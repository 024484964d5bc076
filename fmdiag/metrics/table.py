"""One shape for every metric's outcome: a row per number, with its definition's id and the kind of its interval."""

import numpy as np
import pandas as pd

COLUMNS = ["metric", "definition", "value", "low", "high", "level", "n", "interval"]


def metric_row(metric, definition, value, low=np.nan, high=np.nan, *, level, n, interval):
    """Return one row.

    Parameters
    ----------
    metric, definition : str
        The quantity, and which of its definitions: an id with the author, the year and what distinguishes it.
    value, low, high : float
        The number with its interval at `level`; NaN where `interval` is ``"none"``.
    n : int
        Generated rows that it rests on.
    interval : str
        ``"jackknife"``, ``"cluster_bootstrap"``, ``"clustered_exact"``, ``"clustered_order"``, ``"exact"``,
        ``"newcombe"`` or ``"none"``.
    """
    return {"metric": metric, "definition": definition, "value": float(value), "low": float(low), "high": float(high),
            "level": level, "n": int(n), "interval": interval}


def metric_table(rows):
    """Return rows as a DataFrame with `COLUMNS`."""
    return pd.DataFrame(rows, columns=COLUMNS)

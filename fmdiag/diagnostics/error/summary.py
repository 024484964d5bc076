"""Summary of the error: means per time and kind of states, shares inside the band of shells, the gap of the loss."""

import pandas as pd

from fmdiag import stats
from fmdiag.diagnostics.error.bands import share_rows
from fmdiag.diagnostics.error.gap import gap_rows

NAME = "error"
COLUMNS = ["squared_error", "conditional_variance", "cfm_loss", "cosine", "source_weight"]
FURTHER = ["top_weight", "shell"]
WITHIN = {"cosine": (-1.0, 1.0), "source_weight": (0.0, 1.0), "top_weight": (0.0, 1.0)}


def summarise(table):
    """Return the summary rows: each column's mean per t and kind of states, then what compares the kinds.

    The conditional variance and the weights are nearly all at one end of their ranges at late t, with rare states
    elsewhere that decide the mean and that a sample may lack; Student's interval would miss it more often than not, and
    Gaffke's is given where the column has a range. On training paths squared_error, conditional_variance, cfm_loss,
    cosine and source_weight come first; then, for every kind, those that it has, top_weight and shell. Shares inside
    the band: see `bands.share_rows`; the gap of the loss: `gap.gap_rows`.
    """
    parts, kinds = [], list(dict.fromkeys(table["states"]))
    if "train" in kinds:
        parts.append(_means(table, "train", COLUMNS))
    for kind in kinds:
        names = [name for name in (COLUMNS if kind != "train" else []) + FURTHER
                 if table.loc[table["states"] == kind, name].notna().any()]
        parts.append(_means(table, kind, names))
    rows = share_rows(table) + gap_rows(table)
    return pd.concat([*parts, pd.DataFrame(rows)], ignore_index=True)


def _means(table, kind, names):
    """Return the rows of one kind's means per time."""
    rows = stats.summarise(NAME, table[table["states"] == kind], names, by=["t"], within=WITHIN | {
        "conditional_variance": lambda group: (0.0, group["largest_variance"].iloc[0])})
    return rows.assign(states=kind)

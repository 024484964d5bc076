"""Copied training examples and how often: the memorised samples, counted by training row, with its file's name."""

import numpy as np
import pandas as pd

from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.datasets.file_names import file_names
from fmdiag.diagnostics.points.pictures import as_pictures
from fmdiag.stats import proportion_interval

COLUMNS = ["feature", "rank", "row", "file", "n_copied", "share", "low", "high", "closest_sample", "d1", "ratio",
           "n_heldout", "n_duplicates", "duplicates"]
MOST_LISTED = 50


def measure(table, training_set, *, level=0.95):
    """Return the training examples that memorised samples are copies of, per feature space, most copied first.

    Parameters
    ----------
    table : DataFrame
        As `memorization.measure` returned it.
    training_set : TrainingSet
        The rows that were searched.

    Returns
    -------
    DataFrame
        Columns feature; rank; row (of duplicates the first); file (its picture below the set's folder, empty where rows
        are no files); n_copied (samples); share of all samples with its exact interval
        low, high; closest_sample, d1 and ratio of the sample of least ratio; n_heldout (held-out rows that the same
        rule calls copies of it: what chance does); n_duplicates (further training rows with the same content) and
        duplicates (their numbers, at most 50, separated by ";").
    """
    groups = np.asarray(duplicate_groups(training_set))
    parts = [_in(name, part, groups, level) for name, part in table.groupby("feature", sort=False)]
    found = pd.concat(parts, ignore_index=True)
    found["file"] = file_names(training_set, found["row"])
    return found


def _in(feature, table, groups, level):
    """Return the rows of one feature space, without the names of files."""
    samples = table[table["source"] == "model"]
    chance = table[(table["source"] == "heldout") & table["memorized"]]["nearest"].value_counts()
    rows = [_row(row, found, len(samples), chance, groups, level)
            for row, found in samples[samples["memorized"]].groupby("nearest")]
    found = pd.DataFrame(rows, columns=COLUMNS)
    found = found.sort_values(["n_copied", "ratio", "row"], ascending=[False, True, True], ignore_index=True)
    return found.assign(feature=feature, rank=np.arange(1, len(found) + 1))


def _row(row, found, n, chance, groups, level):
    share, low, high = proportion_interval(len(found), n, level=level)
    closest = found.loc[found["ratio"].idxmin()]
    others = np.flatnonzero(groups == groups[row])
    others = others[others != row]
    listed = ";".join(map(str, others[:MOST_LISTED])) + (";..." if len(others) > MOST_LISTED else "")
    return {"row": row, "n_copied": len(found), "share": share, "low": low, "high": high,
            "closest_sample": closest["sample"], "d1": closest["d1"], "ratio": closest["ratio"],
            "n_heldout": int(chance.get(row, 0)), "n_duplicates": len(others), "duplicates": listed}


def pictures(found, training_set, m=12, *, decoder=None):
    """Return the arrays of the figure: the m most copied rows, uint8, and how often each; nothing for vectors."""
    if found.empty:
        return {}
    rows = found["row"].head(m).to_numpy(np.int64)
    images = as_pictures(training_set[rows], training_set, decoder)
    counts = found["n_copied"].head(m).to_numpy(np.int64)
    return {} if images is None else {"copied_rows": rows, "copied_counts": counts, "copied_images": images}

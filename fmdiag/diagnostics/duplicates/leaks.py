"""Leaks: held-out examples that equal, or nearly equal, a training example."""

import numpy as np
import pandas as pd

from fmdiag.datasets.file_names import file_names
from fmdiag.diagnostics.duplicates.nearest import of_points

LEAKS = {"feature": str, "held_out": np.int64, "held_out_file": str, "row": np.int64, "file": str, "distance": float,
         "scale": float, "kind": str}


def leaks(training_set, others, rule, name, **search):
    """Return the held-out examples that the rule calls near to a training example, a row each, closest first.

    Those that equal a training example by content are exact; those whose mirror image does, mirrored, are found where
    flips do not count as well. `others` are the Others of all held-out examples, `name` is the feature's, for its
    column, `search` that of `of_points`; columns as in `measure.find`.
    """
    held_out, overlap = training_set.held_out, training_set.overlap
    if held_out is None:
        return pd.DataFrame({name: [] for name in LEAKS}).astype(LEAKS)
    flags = rule.near(others.distances[:, :1], others.scale)[:, 0]
    equal = np.zeros(len(flags), bool)
    equal[overlap.rows] = True
    rows, n = others.rows[:, 0], training_set.n_stored
    kinds = np.where(rows >= n, "mirrored", np.where(equal, "exact", "near"))
    parts = [_rows(np.flatnonzero(flags), rows[flags], others.distances[flags, 0], others.scale[flags], kinds[flags])]
    unseen = np.flatnonzero(equal & ~flags)
    if len(unseen) and len(training_set.shape) == 3:
        turned = of_points(held_out[unseen].flip(-1), training_set, rule, **search)
        parts.append(_rows(unseen, turned.rows[:, 0], turned.distances[:, 0], turned.scale, "mirrored"))
    found = pd.concat(parts, ignore_index=True).sort_values(["distance", "held_out"], ignore_index=True)
    found["file"] = file_names(training_set, found["row"])
    found["row"] %= n
    found["held_out_file"] = file_names(held_out, found["held_out"])
    return found.assign(feature=name)[list(LEAKS)].astype(LEAKS)


def _rows(held_out, rows, distance, scale, kind):
    return pd.DataFrame({"held_out": held_out, "row": rows, "distance": distance, "scale": scale, "kind": kind})

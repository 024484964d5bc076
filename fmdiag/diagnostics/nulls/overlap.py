"""Held-out rows that are nearly training rows: re-encoded, mirrored or shifted copies, beyond what recurs by itself.

A held-out row touches the training set if d1 / d2 < 1/3, as it is, or mirrored, or shifted by one pixel. In few
dimensions, on discrete data, and where a source holds near-duplicates, fresh rows do so too, and samples are not left
out likewise: without such rows the null would be too small. How many are natural is therefore counted among training
rows, each compared with the others (leave-one-out). Only where more held-out rows touch than that, by Fisher's exact
test, is anything left out, and then the excess only, the closest first.
"""

import numpy as np
import pandas as pd
import torch

from fmdiag.diagnostics.nulls.controls import surplus
from fmdiag.diagnostics.nulls.spacing import RULE, spacings
from fmdiag.stats import fisher_p

LEVEL = 0.001       # of all kinds and spaces together: chance warns in one of a thousand measurements
SHIFTS = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
LEAST_SIDE = 8      # pixels; in smaller pictures a pixel is much
MOST_CHANGED = 500  # rows a side that are mirrored and shifted at first
WORDS = {"equal": "equal", "near": "re-encoded or altered a little", "mirrored": "mirrored",
         "shifted": "shifted by a pixel"}
COLUMNS = ["held_out", "nearest", "kind", "distance", "ratio", "feature"]


def shifted(x, down, right):
    """Return pictures, shape (..., h, w), moved by whole pixels; what comes in repeats the edge."""
    h, w = x.shape[-2:]
    rows, columns = (torch.arange(h) - down).clamp(0, h - 1), (torch.arange(w) - right).clamp(0, w - 1)
    return x[..., rows, :][..., columns]


def variants(training_set):
    """Return {kind: functions} that turn a picture into one that shows the same; empty for data of other kinds."""
    shape = training_set.shape
    if len(shape) != 3 or min(shape[1:]) < LEAST_SIDE:
        return {}
    moved = [lambda x, a=a, b=b: shifted(x, a, b) for a, b in SHIFTS]
    mirrored = {} if training_set.hflip else {"mirrored": [lambda x: x.flip(-1)]}
    return {**mirrored, "shifted": moved}


def excess(ratios, natural):
    """Return (numbers of what is left out, closest first, p): ratios of held-out rows below 1/3 beyond natural ones.

    Parameters
    ----------
    ratios, natural : ndarray, shape (m,) and (k,)
        d1 / d2 of held-out rows, and of training rows among the others.

    Examples
    --------
    >>> excess(np.r_[np.zeros(20), np.ones(80)], np.ones(100))[0].size
    20
    """
    close, usual = int((ratios < RULE).sum()), int((natural < RULE).sum())
    p = float(fisher_p(close, len(ratios), usual, len(natural)))
    share = usual / len(natural)
    # So many are left out that of the others the natural share touches.
    n = 0 if share >= 1 else round((close - share * len(ratios)) / (1 - share))
    return np.argsort(ratios, kind="stable")[: max(0, n)], p


def near_training_rows(training_set, numbers, rows, own, ours, theirs, features, search):
    """Return (places of rows left out, table `overlap`, controls, sentences) of held-out rows.

    Parameters
    ----------
    numbers, rows : ndarray of int64, shape (m,), and Tensor, shape (m, *shape)
        Held-out rows.
    own : ndarray of int64, shape (k,)
        Training rows that are compared with the others.
    ours, theirs : list of Spacing
        Of `own` and of the held-out rows, per feature space.
    features : sequence of Feature or None
        These spaces.
    search : dict
        device, group, plan of further searches.
    """
    changes, parts, controls = variants(training_set), [], []
    level = LEVEL / (len(features) + len(changes))
    for space, a, b in zip(features, ours, theirs, strict=True):
        found = np.stack([b.nearest, b.d1, b.ratio])
        _leave_out(parts, controls, found, a.ratio, np.arange(len(rows)), "near", space, level)
    for kind, functions in changes.items():
        left = np.setdiff1d(np.arange(len(rows)), [place for part in parts for place in part["place"]])
        natural = _closest(training_set[own[:MOST_CHANGED]], functions, training_set, own=own[:MOST_CHANGED], **search)
        first, rest = left[:MOST_CHANGED], left[MOST_CHANGED:]
        found = _closest(rows[first], functions, training_set, **search)
        if len(rest) and excess(found[2], natural[2])[1] < level:
            found = np.concatenate([found, _closest(rows[rest], functions, training_set, **search)], axis=1)
            first = left
        _leave_out(parts, controls, found, natural[2], first, kind, None, level)
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["place", *COLUMNS[1:]])
    table = table.drop_duplicates("place").sort_values("place", ignore_index=True)
    places = table["place"].to_numpy(np.int64)
    table.insert(0, "held_out", np.asarray(numbers)[places])
    return places, table[COLUMNS], controls, _sentences(table, len(rows), theirs[0], ours[0])


def _closest(points, functions, training_set, **search):
    """Return (nearest, d1, ratio), shape (3, q): of the variants of every point, that of least ratio; in pixels."""
    best = None
    for change in functions:
        found = spacings(change(points), training_set, **search)
        found = np.stack([found.nearest, found.d1, found.ratio])
        best = found if best is None else np.where(found[2] < best[2], found, best)
    return best


def _leave_out(parts, controls, found, natural, places, kind, space, level):
    """Add the held-out rows of one kind that are left out, and the control of their number."""
    chosen, p = excess(found[2], natural)
    name = getattr(space, "name", "pixels")
    controls.append(surplus(kind, name, found[2], natural, RULE, p >= level))
    if p >= level or not len(chosen):
        return
    nearest, distance, ratio = found[:, chosen]
    kinds = np.where(distance == 0, "equal", kind) if kind == "near" else kind
    parts.append(pd.DataFrame({"place": places[chosen], "nearest": nearest.astype(int), "kind": kinds,
                               "distance": distance, "ratio": ratio, "feature": name}))


def _sentences(table, n, theirs, ours):
    """Return what a reader must know of rows left out, or of equal rows that are natural."""
    if len(table):
        counts = table["kind"].value_counts()
        kinds = ", ".join(f"{counts[kind]} {words}" for kind, words in WORDS.items() if kind in counts)
        return [f"{len(table)} of {n} held-out examples are nearly training examples ({kinds}) and are left out: the "
                f"null is of the other {n - len(table)}"]
    equal, usual = int((theirs.d1 == 0).sum()), int((ours.d1 == 0).sum())
    if not equal:
        return []
    return [f"{equal} of {n} held-out examples equal training examples, and {usual} of {len(ours.d1)} training "
            f"examples another "
            "one: such rows recur by themselves, samples among them too, and stay in the null"]

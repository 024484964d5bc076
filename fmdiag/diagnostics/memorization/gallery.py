"""Gallery of measured samples beside the training rows nearest to them.

All samples where they are small and few; else those with the least d1/d2 and, so that ordinary ones are seen too, as
many spread evenly over the others. Pictures are evidence for the eye only: every number stands in the table.
"""

import numpy as np
import torch

from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.diagnostics.points.pictures import as_pictures

NAME = "gallery"
BUDGET = 2_400_000
SIDE = 64
# Of the pictures that fit: most are the model's; samples of û* are training rows anyway.
SHARES = {"model": 0.7, "heldout": 0.2, "closed_form": 0.1}


def pictures(table, points, training_set, *, decoder=None, budget=BUDGET):
    """Return the arrays of the gallery, or nothing for data that are no pictures.

    Parameters
    ----------
    table : DataFrame
        As `memorization.measure` returned it, any number of features.
    points : dict of str to (Tensor or TrainingSet)
        Source -> its points in model range, indexed by the table's column sample. A source that is left out gets the
        picture number -1: samples of û* are training rows, and a page shows them as such.
    training_set : TrainingSet
        The rows that were searched.
    decoder : callable, optional
        Turns latents into pictures; see `fmdiag.diagnostics.points.pictures`.
    budget : int
        Bytes that all pictures may take.

    Returns
    -------
    dict of ndarray
        source, sample and picture (number in images), shape (m,); images, uint8, shape (p, c, h, w); rows and copies
        (training rows with the same content, itself included), shape (r,); row_images, uint8, shape (r, c, h, w).
        Sides above 64 are reduced to 64.
    """
    def drawn(found, numbers):
        return reduced(as_pictures(torch.as_tensor(found[numbers.tolist()]).float(), training_set, decoder))

    one = as_pictures(training_set[[0]], training_set, decoder)
    if one is None:
        return {}
    chosen = _chosen(table, int(budget // (reduced(one).nbytes * (1 + table["feature"].nunique()))))
    rows = np.unique(table.merge(chosen, on=["source", "sample"])["nearest"])
    groups = np.asarray(duplicate_groups(training_set))
    parts = [drawn(points[source], part["sample"]) for source, part in chosen.groupby("source", sort=False)
             if source in points]
    pictured = chosen["source"].isin(list(points)).to_numpy()
    return {"source": chosen["source"].to_numpy(str), "sample": chosen["sample"].to_numpy(np.int64),
            "picture": np.where(pictured, np.cumsum(pictured) - 1, -1), "images": np.concatenate(parts), "rows": rows,
            "copies": np.bincount(groups, minlength=training_set.n)[groups[rows]],
            "row_images": drawn(training_set, rows)}


def _chosen(table, n):
    """Return the (source, sample) of at most n samples, in the table's order of sources."""
    least = table.groupby(["source", "sample"], sort=False)["ratio"].min().reset_index()
    if len(least) > n:
        parts = [_spread(part, max(2, int(n * SHARES.get(source, 0.1))))
                 for source, part in least.groupby("source", sort=False)]
        least = least.loc[np.sort(np.concatenate(parts))]
    return least[["source", "sample"]]


def _spread(part, n):
    """Return the labels of n rows: half of them of least ratio, the others spread over the remaining ratios."""
    order = part.sort_values("ratio", kind="stable").index.to_numpy()
    first, rest = order[: -(-n // 2)], order[-(-n // 2):]
    places = np.unique(np.linspace(0, len(rest) - 1, min(n // 2, len(rest))).astype(int))
    return np.concatenate([first, rest[places]])


def reduced(images):
    """Return uint8 pictures, shape (n, c, h, w), whose sides are at most SIDE: means over squares."""
    n, c, height, width = images.shape
    stride = -(-max(height, width) // SIDE)
    if stride == 1:
        return images
    grown = np.pad(images, ((0, 0), (0, 0), (0, -height % stride), (0, -width % stride)), mode="edge")
    blocks = grown.reshape(n, c, grown.shape[2] // stride, stride, grown.shape[3] // stride, stride)
    return blocks.mean((3, 5)).round().astype(np.uint8)

"""Samples closest to the training set by d1/d2, each beside its nearest training row, as arrays for figures."""

import numpy as np

from fmdiag.diagnostics.points.checks import check_samples
from fmdiag.diagnostics.points.pictures import as_pictures


def closest(samples, training_set, table, m=32, decoder=None):
    """Return the arrays of the gallery: the m model samples of least ratio, each beside its nearest training row.

    Of several features, the first has the keys below, the k-th further one these keys with `_k`, k = 1, 2, ...

    Parameters
    ----------
    samples : Tensor or ndarray, shape (n, *shape)
        As given to `measure`.
    table : DataFrame
        Its outcome.
    m : int
        Number of samples.
    decoder : callable, optional
        Turns latents into pictures; see `fmdiag.diagnostics.points.pictures`.

    Returns
    -------
    dict of ndarray
        samples and neighbors, uint8, shape (m, c, h, w), for images, or points and neighbors, float32, shape
        (m, *shape), for other data; d1, ratio, sample and nearest (row numbers), shape (m,); features (their names).
    """
    names, shown = list(table["feature"].unique()), {}
    for k, name in enumerate(names):
        chosen = table[(table["source"] == "model") & (table["feature"] == name)]
        arrays = _shown(samples, training_set, chosen, m, decoder)
        shown |= {f"{key}_{k}" if k else key: values for key, values in arrays.items()}
    return shown | {"features": np.array(names)}


def _shown(samples, training_set, table, m, decoder):
    best = table.sort_values(["ratio", "d1", "sample"], kind="stable").head(m)
    shown = check_samples(samples, training_set, finite=False)[best["sample"].tolist()].float()
    rows = training_set[best["nearest"].tolist()]
    facts = {name: best[name].to_numpy() for name in ("d1", "ratio", "sample", "nearest")}
    images, neighbors = (as_pictures(points, training_set, decoder) for points in (shown, rows))
    if images is not None:
        return {"samples": images, "neighbors": neighbors, **facts}
    return {"points": shown.numpy(), "neighbors": rows.numpy(), **facts}

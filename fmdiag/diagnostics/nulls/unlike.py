"""Samples that cannot be judged: unlike the data (noise, untrained networks, diverged trajectories), or all one.

Such samples lie far from every training row; none of them is a copy, and that says nothing about memorisation. Samples
count as not data-like if nine of ten lie farther from the training set than 1.5 times where 19 of 20 held-out rows have
their *second* nearest row, in every feature space. Blurred or shrunken samples, few distinct ones, and copies with
noise lie nearer than that.
"""

import numpy as np

SAMPLES, HELD_OUT = 0.1, 0.95   # quantiles compared
FACTOR = 1.5


def unlike_data(table):
    """Return why samples are not data-like, with numbers, or None.

    Parameters
    ----------
    table : DataFrame
        Raw rows of memorization: columns source (model, heldout), d1, d2, feature.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = {"source": ["model"] * 3 + ["heldout"] * 3, "d1": [9, 8, 9, 1, 2, 1], "d2": [9, 9, 9, 2, 2, 2]}
    >>> unlike_data(pd.DataFrame(rows | {"feature": "pixels"})).startswith("the samples are not data-like")
    True
    """
    found = [_far(part) for _, part in table.groupby("feature", sort=False)]
    if not found or None in found:
        return None
    low, bound, name = found[0]
    return (f"the samples are not data-like: nine of ten lie farther than {low:.3g} from every training example in "
            f"{name}, and {HELD_OUT:.0%} of the held-out examples have two within {bound:.3g}: check the checkpoint, "
            f"its time "
            "direction and range, and the number of steps")


def one_image(samples, table=None):
    """Return why samples that are all equal are not judged, or None.

    Parameters
    ----------
    samples : Tensor, shape (n, *shape)
        Finite ones.
    table : DataFrame, optional
        Raw rows of memorization: whether the one sample is a copy, and of which training row.

    Examples
    --------
    >>> import torch
    >>> one_image(torch.ones(5, 2)).startswith("all 5 samples are one and the same")
    True
    """
    if len(samples) < 2 or not bool((samples == samples[:1]).flatten(1).all()):
        return None
    what = ""
    if table is not None:
        first = table[table["source"] == "model"].iloc[0]
        copy = "a copy of" if first["memorized"] else "no copy of any training example, nearest to"
        what = f", {copy} training example {first['nearest']} (d1/d2 = {first['ratio']:.3g})"
    return (f"all {len(samples)} samples are one and the same{what}: one sample gives no rate of copies; give samples "
            "drawn from different noises")


def _far(part):
    d1 = part.loc[part["source"] == "model", "d1"].to_numpy()
    null = part.loc[part["source"] == "heldout", "d2"].to_numpy()
    if not len(d1) or not len(null) or not np.isfinite(null).all():
        return None
    low, bound = float(np.quantile(d1, SAMPLES)), float(np.quantile(null, HELD_OUT))
    return (low, bound, part["feature"].iloc[0]) if low > FACTOR * bound else None

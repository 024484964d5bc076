"""Samples that are not data-like: noise, untrained networks, trajectories that diverged.

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
    return (f"the samples are not data-like: nine of ten lie farther than {low:.3g} from every training row in {name}, "
            f"and {HELD_OUT:.0%} of the held-out rows have two within {bound:.3g}: check the checkpoint, its time "
            "direction and range, and the number of steps")


def _far(part):
    d1 = part.loc[part["source"] == "model", "d1"].to_numpy()
    null = part.loc[part["source"] == "heldout", "d2"].to_numpy()
    if not len(d1) or not len(null) or not np.isfinite(null).all():
        return None
    low, bound = float(np.quantile(d1, SAMPLES)), float(np.quantile(null, HELD_OUT))
    return (low, bound, part["feature"].iloc[0]) if low > FACTOR * bound else None

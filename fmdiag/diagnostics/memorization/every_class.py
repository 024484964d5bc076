"""Nearest training examples of every class: whether what a class-conditional model draws is a copy from another class.

The decision of `memorization` is made among the examples of the class that the model is asked for, with held-out
examples of that class as its null. A model that mixes classes, or is guided away from them, may be nearer to an example
of another one.
"""

import pandas as pd

from fmdiag.diagnostics.points.nearest_rows import nearest_rows
from fmdiag.stats import summary_row

COLUMNS = ("nearest_all", "d1_all", "memorized_all", "other_class")


def columns(points, training_set, *, feature, threshold, device, group, plan):
    """Return what is nearest among the training examples of all classes, a DataFrame of a row per point.

    Parameters
    ----------
    points : Tensor, shape (n, *shape)
    training_set : TrainingSet
        Of one class.
    feature : Feature
        Only of pixels: networks would embed all classes for it; of others the DataFrame has no columns.
    threshold, device, group, plan
        As in `fmdiag.memorization`.

    Returns
    -------
    DataFrame
        Columns nearest_all (row of the set of all classes), d1_all (distance to it), memorized_all (d1/d2 among all
        below the threshold), other_class (whether that row is of another class).
    """
    condition = training_set.condition
    if condition is None or feature.name != "pixels":
        return pd.DataFrame(index=range(len(points)))
    whole = condition.whole
    found = nearest_rows(points, whole, feature=feature, device=device, group=group, plan=plan)
    labels = whole.labels[found.rows1 % whole.n_stored]
    return pd.DataFrame(dict(zip(COLUMNS, (found.rows1, found.d1, found.ratio < threshold, labels != condition.label),
                                 strict=True)))


def summary_rows(part, **keys):
    """Return the summary rows of one source: f_mem_all and other_class, shares with exact intervals."""
    if "other_class" not in part or part["other_class"].isna().any():
        return []
    return [summary_row("memorization", quantity, part[name].astype(bool), interval="exact", **keys)
            for quantity, name in (("f_mem_all", "memorized_all"), ("other_class", "other_class"))]

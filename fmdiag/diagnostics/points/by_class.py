"""Means by class, and over classes: whether what holds on average holds for every class, and for further ones.

A row per class has the interval of its own values. The row over classes is the mean of the class means, each class
counting once however many values it has; its interval takes the classes for a draw of more of their kind, so that the
spread between them is what makes it wide.
"""

import numpy as np
import pandas as pd

from fmdiag.stats import bounded_interval, mean_interval, row, summary_row

OVER = -1    # stands for all classes


def class_rows(diagnostic, quantity, values, labels, *, interval="student", within=None, **keys):
    """Return the rows of one quantity: one per class, then one over classes where there are two or more.

    Parameters
    ----------
    diagnostic, quantity, interval, within
        As in `fmdiag.stats.summary_row`; over classes `within` gives Gaffke's limits of the class means, and
        ``"exact"`` shares have the range [0, 1].
    values, labels : array_like, shape (n,)
        Independent values, and the class of each.
    **keys
        What the rows belong to.

    Returns
    -------
    list of dict
        With class_label; -1 is over classes, where n is their number.

    Examples
    --------
    >>> rows = class_rows("error", "cosine", [1.0, 3.0, 5.0, 7.0, 9.0], [0, 0, 1, 1, 1])
    >>> [(one["class_label"], float(one["value"]), one["n"]) for one in rows]
    [(0, 2.0, 2), (1, 7.0, 3), (-1, 4.5, 2)]
    """
    values, labels = np.asarray(values), np.asarray(labels)
    rows = [summary_row(diagnostic, quantity, values[labels == label], interval=interval,
                        within=None if interval == "exact" else within, class_label=int(label), **keys)
            for label in np.unique(labels)]
    if len(rows) < 2:
        return rows
    means, within = [one["value"] for one in rows], (0.0, 1.0) if interval == "exact" else within
    found = mean_interval(means) if within is None else bounded_interval(means, within=within)
    kind = "student" if within is None else "bounded"
    return [*rows, row(diagnostic, quantity, tuple(map(float, found)), n=len(means), interval=f"{kind}_over_classes",
                       class_label=OVER, **keys)]


def labels_of(training_set, rows):
    """Return the labels of training rows by number, a mirror image's being its row's; None unless there are several."""
    labels = training_set.labels
    if labels is None or len(np.unique(labels)) < 2:
        return None
    return np.asarray(labels)[np.asarray(rows) % training_set.n_stored]


def table_of(diagnostic, rows):
    """Return {"DIAGNOSTIC_classes": table} of rows of `class_rows`; an empty dict of none."""
    return {f"{diagnostic}_classes": pd.DataFrame(rows).drop(columns="diagnostic")} if rows else {}

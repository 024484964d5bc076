"""Memorised share by class of the training example that a sample is nearest to."""

from fmdiag.diagnostics.points.by_class import class_rows, labels_of, table_of


def measure(table, training_set):
    """Return {"memorization_classes": table}, a row per class, source and feature.

    An empty dict where there are no labels of several classes.

    Parameters
    ----------
    table : DataFrame
        Of `fmdiag.memorization`.
    training_set : TrainingSet
        Whose labels count.
    """
    labels = labels_of(training_set, table["nearest"])
    if labels is None:
        return {}
    parts = table.assign(label=labels).groupby(["feature", "source"], sort=False)
    return table_of("memorization", [one for (feature, source), part in parts
                     for one in class_rows("memorization", "f_mem", part["memorized"].to_numpy(bool), part["label"],
                                           interval="exact", feature=feature, source=source)])

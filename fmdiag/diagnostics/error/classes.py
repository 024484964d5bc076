"""Error by class of the training row whose path a state lies on."""

from fmdiag.diagnostics.error.summary import NAME, WITHIN
from fmdiag.diagnostics.points.by_class import class_rows, labels_of, table_of

QUANTITIES = ("squared_error", "cosine")


def measure(table, training_set):
    """Return {"error_classes": table}, a row per class, quantity and t of the training states.

    An empty dict where there are no labels of several classes.

    Parameters
    ----------
    table : DataFrame
        Of `fmdiag.approximation_error`.
    training_set : TrainingSet
        Whose labels count.
    """
    own = table[table["states"] == "train"]
    labels = labels_of(training_set, own["source_row"]) if len(own) else None
    if labels is None:
        return {}
    own = own.assign(label=labels)
    return table_of(NAME, [one for t, part in own.groupby("t") for name in QUANTITIES
                     for one in class_rows(NAME, name, part[name], part["label"], within=WITHIN.get(name), t=t)])

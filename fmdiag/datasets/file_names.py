"""File names of a training set's rows: which picture of a folder or an archive each row was read from."""

from functools import partial

import numpy as np

from fmdiag.errors import printable


def chosen_files(files, numbers):
    """Return a function like `files`, of the rows with these numbers; None where there is none."""
    return None if files is None else partial(_chosen, files, numbers)


def _chosen(files, numbers):
    return list(np.asarray(files(), dtype=object)[numbers])


def file_names(training_set, numbers):
    """Return the paths of rows below their set's own folder, a mirror image's being that of its row.

    Parameters
    ----------
    training_set : TrainingSet or None
        Where its rows are no files, every name is empty.
    numbers : ndarray of int, shape (m,)
        Row numbers.

    Returns
    -------
    list of str
        Bytes that are no text are shown escaped.
    """
    numbers = np.asarray(numbers, np.int64)
    if training_set is None or training_set.files is None:
        return [""] * len(numbers)
    names = training_set.files()
    return [printable(names[k]) for k in numbers % training_set.n_stored]

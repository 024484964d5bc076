r"""Groups of examples that belong together: pictures of a patient, frames of a video, tiles of a photograph.

Examples of one group are no independent evidence, and a held-out example of a group that was trained on is no example
that the model never saw. Groups are asked for by one of

- the name of a column: of a table (Parquet, Arrow, or ``metadata.csv`` in a folder of pictures, whose column
  ``file_name`` has their paths), or of the arrays beside the rows (npz, pt, safetensors; a part's own array counts,
  ``train_patient`` is ``patient`` of the training part), or of the items of a PyTorch data set; ``labels`` are the
  class labels;
- ``folder`` or ``folder:2``: the folder of that level below the set's own in which a picture lies; folders of one name
  in different folders are different groups;
- a pattern: a regular expression with one part in round brackets, searched for in the path of every picture below the
  set's folder, such as ``(patient_\d+)``; the text of that part names the group;
- an array of one number or name per stored row, or a pair of these, of the training rows and of the held-out rows.

Groups of the held-out rows are found by the same words, and a group of that name on both sides is refused.
"""

import re

import numpy as np
import torch

from fmdiag.errors import FmdiagError, check_choice
from fmdiag.files.places import is_elsewhere

FOLDER = re.compile(r"folder(?::(\d+))?")
LONGEST = 200   # characters of a group's name
WAYS = ("give a pattern with one part in round brackets, such as '(patient_\\d+)', or a folder level, such as "
        "folder:1")


def find_groups(wanted, part, n, name):
    """Return (groups, names) of the rows of a part, or (None, ()) where none are wanted.

    Parameters
    ----------
    wanted : str, array_like of shape (n,), or None
        See the module.
    part : Part
        As its reader gave it: `columns` and `files` say what its rows can be grouped by.
    n : int
        Number of rows.
    name : str
        The set, for messages.

    Returns
    -------
    groups : ndarray of int64, shape (n,)
        Numbers into `names`.
    names : tuple of str

    Raises
    ------
    FmdiagError
        If nothing has that name, a pattern or level does not fit every file, or a row has no group.
    """
    if wanted is None:
        return None, ()
    if not isinstance(wanted, str):
        return numbered(wanted, n, name)
    labels = {} if part.labels is None else {"labels": lambda: part.labels}
    columns = {**labels, **(part.columns() if callable(part.columns) else part.columns)}
    if wanted in columns:
        return numbered(columns[wanted](), n, name, f"column {wanted!r}")
    level = FOLDER.fullmatch(wanted)
    if level is None and "(" not in wanted:
        raise FmdiagError(_no_column(wanted, columns, part.files, name))
    if part.files is None:
        way = f"one of its columns, {', '.join(sorted(columns))}" if columns else "an array in Python (groups=)"
        raise FmdiagError(f"{name}: its rows have no file names in which --groups {wanted} could be found: give {way}")
    files = part.files()
    found = _folders(files, int(level[1] or 1), name) if level else _matches(files, wanted, name)
    return numbered(found, n, name)


def _no_column(wanted, columns, files, name):
    if not columns and files is None:
        return (f"{name}: no column {wanted!r} to group by, and no other: store the groups as an array beside the rows "
                "(.npz), or give groups= as an array in Python")
    try:
        check_choice("column", wanted, columns)
    except FmdiagError as error:
        near = str(error).partition(": ")[2].partition("? ")
        hint = f"{near[0]}? " if near[1] else ""
    ways = [f"choose from {', '.join(sorted(columns))}"] if columns else []
    return f"{name}: no column {wanted!r} to group by: {hint}{', or '.join([*ways, *([WAYS] if files else [])])}"


def _folders(files, level, name):
    if level < 1:
        raise FmdiagError(f"{name}: --groups folder:{level}: levels are counted from 1, the folders in {name}")
    parts = [file.split("/")[:-1] for file in files]
    shallow = next((k for k, above in enumerate(parts) if len(above) < level), None)
    if shallow is not None:
        deepest = min(map(len, parts))
        way = f"give folder:{deepest} at most" if deepest else "give a pattern such as '(patient_\\d+)'"
        raise FmdiagError(f"{name}: --groups folder:{level}, but {files[shallow]} lies below {len(parts[shallow])} "
                          f"folders: {way}")
    return ["/".join(above[:level]) for above in parts]


def _matches(files, pattern, name):
    if is_elsewhere(pattern):   # what looks like an absolute path is shortened in all records
        raise FmdiagError(f"{name}: --groups {pattern} begins as the path of a file does: write [{pattern[0]}]"
                          f"{pattern[1:]}")
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise FmdiagError(f"{name}: --groups {pattern} is no regular expression ({error}): {WAYS}") from error
    if compiled.groups != 1:
        raise FmdiagError(f"{name}: --groups {pattern} has {compiled.groups} parts in round brackets, one must name "
                          "the group: write (?:...) for the others")
    found = [match[1] if (match := compiled.search(file)) else None for file in files]
    without = [file for file, group in zip(files, found, strict=True) if not group]
    if without:
        raise FmdiagError(f"{name}: --groups {pattern} fits {len(files) - len(without)} of {len(files)} files, not "
                          f"{without[0]}: give a pattern that fits every path below {name}")
    return found


def numbered(values, n, name, what="groups"):
    """Return (groups, names): one value per row as a number from 0 on, in sorted order of the values.

    Parameters
    ----------
    values : array_like, shape (n,)
        Whole numbers, booleans or names.

    Raises
    ------
    FmdiagError
        If there are not n of them, or one is missing or neither a name nor a whole number.
    """
    values = np.asarray(values.cpu() if isinstance(values, torch.Tensor) else values)
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.shape != (n,):
        raise FmdiagError(f"{name}: {what} of shape {values.shape} for {n} rows: give one number or name per row")
    if values.dtype.kind not in "iub":
        values = _named(values, name, what)
    found, groups = np.unique(values, return_inverse=True)
    return groups.astype(np.int64), tuple(str(value) for value in found)


def _named(values, name, what):
    """Return floats as whole numbers, all else as text."""
    texts = []
    for row, value in enumerate(values.tolist()):
        value = value.item() if isinstance(value, np.generic) else value
        value = value.decode(errors="replace") if isinstance(value, bytes) else value
        if value is None or value == "" or value != value:
            raise FmdiagError(f"{name}: row {row} has no group ({what}: {value!r}): give every row one, or leave such "
                              "rows out")
        whole = not isinstance(value, float) or value.is_integer()
        if not isinstance(value, str | int | float) or not whole or len(str(value)) > LONGEST:
            raise FmdiagError(f"{name}: row {row}: {what} must be names of at most {LONGEST} characters or whole "
                              f"numbers, got {value!r:.60}")
        texts.append(value if isinstance(value, str) else int(value))
    return np.array(texts if all(isinstance(text, int) for text in texts) else list(map(str, texts)))


def one_per_group(rows, groups):
    """Return the rows, of each group the first only, in the order given; all of them where `groups` is None.

    Parameters
    ----------
    rows : ndarray of int
        Numbers of stored rows.
    groups : ndarray of int, shape (n_stored,), or None
        The group of each stored row.

    Examples
    --------
    >>> one_per_group(np.array([3, 0, 1, 2]), np.array([7, 7, 5, 5])).tolist()
    [3, 0]
    """
    if groups is None or not len(rows):
        return rows
    return rows[np.sort(np.unique(groups[rows], return_index=True)[1])]


def may_take_for_ever(pattern):
    """Whether the search for a pattern of a stranger could take longer than the square of a path's length."""
    return bool(re.search(r"\)[*+?{]|\\[1-9]|\(\?P=", pattern)) or len(re.findall(r"[*+{]", pattern)) > 2

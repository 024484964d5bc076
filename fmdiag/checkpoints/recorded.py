"""The data set that a checkpoint records: what of it is followed, and the rows that it describes.

A file of a stranger must not choose what is read or fetched. A recorded source is followed where it lies, links
resolved, in the working folder or below, or in the data root; a named set where it is on this machine. Everything else
is asked for.
"""

import os
from pathlib import Path

from fmdiag.datasets import is_fraction, load_dataset
from fmdiag.datasets.groups import may_take_for_ever
from fmdiag.datasets.named import NAMED, find
from fmdiag.datasets.source import Reading, chosen_data_root
from fmdiag.errors import FmdiagError
from fmdiag.files.trust import is_of_user

OPTIONS = {"source": "--dataset", "held_out": "--held-out"}
KINDS = {"size": int, "subset_n": int, "subset_seed": int, "skip_bad": bool, "hflip": bool, "split": str,
         "value_range": list | tuple, "held_out": str | float, "source": str, "name": str, "n": int, "orientation": str,
         "fingerprint": str, "groups": str}


def source_record(source, training_set, *, n=None, size=None, held_out=None, skip_bad=False, value_range=None,
                  orientation=None, groups=None):
    """Return how a set was read, for `load_recorded`; paths are made absolute, names stay.

    Parameters
    ----------
    source : str or path
        As it was given to `load_dataset`.
    training_set : TrainingSet
        What was read; it knows its groups, whatever was given.
    n : int, optional
        Size of the subset that was drawn.
    size, held_out, skip_bad, value_range, orientation, groups
        As they were given.
    """
    turned = {"orientation": orientation} if orientation else {}
    return {"source": _absolute(source), "size": size, "subset_n": n, "subset_seed": 0,
            "held_out": _absolute(held_out) if held_out else None, "skip_bad": skip_bad,
            "value_range": value_range and list(value_range), "groups": training_set.grouped_by or "none", **turned}


def _absolute(source):
    return str(Path(source).resolve()) if source not in NAMED and Path(source).exists() else source


def load_recorded(recorded, source=None, *, data_root=None, **options):
    """Return the set that a checkpoint's record describes; see `Checkpoint.training_set`.

    Parameters
    ----------
    recorded : dict
        ``TrainingSet.describe()`` with source, size, subset_n, subset_seed, held_out, skip_bad, value_range, groups.
    source : str or path, optional
        Read instead of the recorded source.
    data_root : path, optional
        Where named data sets lie.
    **options
        Override recorded options of `load_dataset`.
    """
    source = recorded["source"] if source is None else source
    reading = {name: recorded[name] for name in ("size", "held_out", "skip_bad", "value_range", "orientation", "groups")
               if recorded.get(name) is not None}
    if "groups" not in recorded and is_fraction(recorded.get("held_out")):
        reading["groups"] = "none"   # whatever the set's card says: these rows were split one by one
    reading |= {"split": recorded.get("split", "train"), "hflip": recorded.get("hflip", False)}
    explicit_n = "n" in options
    training_set = load_dataset(source, data_root=data_root, **{**reading, **options})
    if recorded.get("subset_n") is None or explicit_n:
        return training_set
    # Given the subset itself, a saved file for instance, there is nothing to draw.
    if training_set.n_stored <= recorded["subset_n"]:
        return training_set
    return training_set.subset(recorded["subset_n"], seed=recorded.get("subset_seed", 0))


def check_recorded(recorded, file, given, data_root=None):
    """Raise FmdiagError where a record would be followed that must not be, or is no record.

    Parameters
    ----------
    recorded : dict
        As for `load_recorded`, from a file.
    file : path
        The checkpoint, for messages.
    given : dict
        What the user decided: ``source`` and ``held_out`` of it are not followed.
    data_root : path, optional
        Where named data sets lie.
    """
    wrong = [name for name, kind in KINDS.items() if recorded.get(name) is not None and not isinstance(
        recorded[name], kind)]
    if wrong:
        raise FmdiagError(f"{file} records its data set in no way that can be read ({wrong[0]} is a "
                          f"{type(recorded[wrong[0]]).__name__}): give --dataset, and the options that it needs")
    pattern = recorded.get("groups")
    if pattern is not None and given.get("groups") is None and may_take_for_ever(pattern):
        raise FmdiagError(f"{file} records --groups {pattern}, a pattern that may take for ever to search for: give "
                          "--groups yourself")
    root = Reading(data_root=chosen_data_root(data_root)).root
    for name, option in OPTIONS.items():
        value = recorded.get(name)
        fraction = name == "held_out" and isinstance(value, str) and _is_number(value)
        if isinstance(value, str) and given.get(name) is None and not fraction:
            _check_followed(value, file, option, root)


def _check_followed(value, file, option, root):
    if find(value) is not None:
        if value in NAMED and NAMED[value].here(value, root) is None:
            raise FmdiagError(f"{file} was trained on the named set {value}, which is not on this machine: give "
                              f"{option} {value} to fetch it")
        return
    try:
        outside = _outside(Path(value).expanduser(), root)
    except (OSError, RuntimeError, ValueError) as error:  # a home or a circle of links, a null byte
        raise FmdiagError(f"{file} names {value} as its data, no path that can be followed ({error}): give {option} "
                          "PATH") from error
    if outside is None and not os.path.lexists(Path(value).expanduser()):
        raise FmdiagError(f"{file} was trained on {value}, which is not in the working folder: give {option} PATH")
    if outside is not None:
        leads = "" if outside == Path(value) else f", which leads to {outside}"
        raise FmdiagError(f"{file} names {value}{leads} as its data: that is neither in the working folder nor in the "
                          f"data root {root}, and a file does not choose what is read; give {option} PATH yourself")


def _outside(path, root):
    """Return the first place outside working folder and data root that a path leads to, or a link within it."""
    def may_be_read(place):
        return is_of_user(place) or place.resolve().is_relative_to(root.resolve())

    if not may_be_read(path):
        return path.resolve()
    folders = [path] if path.is_dir() else []
    while folders:
        with os.scandir(folders.pop()) as entries:  # which tells links from files without looking at each
            for entry in entries:
                if entry.is_symlink() and not may_be_read(Path(entry)):
                    return Path(entry).resolve()
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return None


def _is_number(value):
    try:
        float(value)
    except ValueError:
        return False
    return True

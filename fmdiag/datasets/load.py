"""Loading a data set by name, path or array, and choosing its rows.

A source is a *name* or a *path*. A string without a path separator that is a named set is that set, even where a file
of the same name lies in the working directory (write ``./digits`` for the file); every other string and every `Path`
is a file or folder.
"""

import os
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from fmdiag.datasets import named, readers
from fmdiag.datasets.grouped_sets import check_several
from fmdiag.datasets.groups import find_groups
from fmdiag.datasets.layout import CHANNELS, checked_range, training_rows
from fmdiag.datasets.moments import with_moments
from fmdiag.datasets.pictures import resample
from fmdiag.datasets.readers import torch_dataset
from fmdiag.datasets.source import ORIENTATIONS, Part, Reading, chosen_data_root
from fmdiag.datasets.training_set import TrainingSet
from fmdiag.datasets.value_range import remarks
from fmdiag.errors import FmdiagError, FmdiagWarning, check_choice
from fmdiag.files.regular import readable

SPLITS = ("train", "test")


def load_dataset(source, *, split="train", data_root=None, size=None, hflip=False, n=None, held_out=None,
                 skip_bad=False, value_range=None, offline=False, verify=False, orientation=None,
                 groups=None, moments=None) -> TrainingSet:
    """Return the training rows (or the held-out rows) of a named data set, a file, a folder or an array.

    Parameters
    ----------
    source : str, Path, ndarray, Tensor or torch Dataset
        A name (``fmdiag datasets`` lists them), a folder, a file, or the rows themselves: uint8 is pictures of 8 bits,
        which become -1 to 1, floats are in model range; see `fmdiag.datasets.layout`.
    split : str
        ``"train"`` or ``"test"``. A path without a test part of its own is all training rows.
    data_root : path, optional
        Folder in which named sets are looked for and downloaded to; else FMDIAG_DATA_ROOT, else the user's data folder.
    size : int, optional
        Side of the images in pixels: centre crop to a square, then Lanczos resampling.
    hflip : bool
        Whether mirror images count as further training rows; held-out rows are never flipped.
    n : int, optional
        Draw n rows of the split, flips not counted; of one source, smaller draws lie in larger ones.
    held_out : float, path or array, optional
        A fraction of the training rows to hold out, or a source that is the test part.
    skip_bad : bool
        Leave out unreadable images, with a warning that names them, instead of refusing the folder.
    value_range : (low, high), optional
        Stored values that stand for black and white; they become -1 and 1.
    offline : bool
        Never download.
    orientation : str, optional
        ``"upright"``, the default: pictures are turned as their EXIF orientation says, and how many is said; or
        ``"stored"``: as a training pipeline saw them that does not look at it.
    verify : bool
        Find earlier decoded pictures and unpacked archives by the content of all files, which are read whole for it,
        instead of their names, inodes, sizes and times.
    groups : str, array of shape (n_stored,), pair of arrays, or False, optional
        Which rows belong together, of one patient for instance: a column, a folder level, a pattern on file names or
        the groups themselves, see `fmdiag.datasets.groups`; a pair is of the training rows and of the held-out rows.
        With a fraction of `held_out`, whole groups are held out. Default as the named set's card says, else none;
        False or ``"none"``: none.
    moments : str, optional
        What rows of 2C channels hold of latents that training sampled anew: ``"mean-logvar"`` or ``"mean-std"``, with
        the factor of latents, ``"mean-logvar:0.18215"``; see `fmdiag.datasets.moments`. Never guessed.

    Returns
    -------
    TrainingSet
        Its `held_out` loads the test part when asked, and is None where there is none.

    Raises
    ------
    FmdiagError
        If the source is unknown, unreadable, or has no such part or groups.

    Examples
    --------
    >>> load_dataset("digits").shape
    (1, 8, 8)
    """
    check_choice("split", split, SPLITS)
    check_count("size", size, "pixels")
    check_count("n", n, "rows")
    checked_range(value_range)
    reading = Reading(size=size, skip_bad=skip_bad, data_root=chosen_data_root(data_root), offline=offline,
                      verify=verify, orientation=check_choice("orientation", orientation or "upright", ORIENTATIONS))
    groups = _wanted_groups(groups, source, split)
    make = partial(_make, source, reading, value_range, groups)
    parts = {part: partial(make, load, part) for part, load in open_source(source, reading).items()}
    fraction = _fraction(held_out)
    if fraction is not None:
        rows = _load_train(parts).split_held_out(fraction)
        rows = rows if split == "train" else rows.held_out
    else:
        given = not (held_out is None or held_out is False or (isinstance(held_out, str) and held_out == ""))
        elsewhere = partial(_held_out_elsewhere, held_out, reading, value_range, groups) if given else None
        rows = _with_test(parts, elsewhere) if split == "train" else _test_rows(elsewhere or parts.get("test"), source)
    check_several(rows.groups, rows.name)
    rows = with_moments(rows if n is None else rows.subset(n), moments)
    return _flipped(rows) if hflip and split == "train" else rows


def check_count(name, value, what):
    """Raise FmdiagError unless an option is None or a whole number from 1 on: it may come from a file."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1):
        raise FmdiagError(f"{name} must be a number of {what}, 1 or more, got {value!r}")


def name_of(source):
    """Return what a source is called: its name or path; an array has none."""
    return str(source) if isinstance(source, (str, os.PathLike)) else "array"


def open_source(source, reading):
    """Return the parts of a source, a dict of functions that load them; see `fmdiag.datasets.source`."""
    if isinstance(source, (np.ndarray, torch.Tensor)):
        rows = readers.pt.as_array(source.cpu()) if isinstance(source, torch.Tensor) else source
        return {"all": partial(Part, rows)}
    if not isinstance(source, (str, os.PathLike)):
        if torch_dataset.is_dataset(source):
            return torch_dataset.parts(source)
        raise FmdiagError("a data set is a name, a path, an array (ndarray, Tensor) of shape (n, ...) or a data set of "
                          f"PyTorch, got a {type(source).__name__}")
    loader = None if isinstance(source, os.PathLike) else named.find(source)
    if loader is not None:
        return loader(source, reading)
    path = Path(source).expanduser()
    if path.exists():
        return readers.read(path, reading)
    if os.sep in str(source) or path.suffix or isinstance(source, os.PathLike):
        raise FmdiagError(f"{source}: no such file or folder; give an existing path, or a name from `fmdiag datasets`")
    return check_choice("data set", source, named.NAMED)


def _wanted_groups(groups, source, split):
    """Return what the rows of each part are to be grouped by, {"train": ..., "test": ...}; None: by nothing."""
    if groups is None and isinstance(source, str) and source in named.NAMED:
        groups = named.load_card(source).groups
    if groups is None or groups is False or isinstance(groups, str):
        groups = None if groups is False or groups == "none" else groups
        return {"train": groups, "test": groups}
    if isinstance(groups, tuple) and len(groups) == 2:
        return dict(zip(SPLITS, groups, strict=True))
    return {split: groups}


def _make(source, reading, value_range, groups, load, part, *, silent=False):
    name = name_of(source)
    with readable(name):
        found = load()
    rows, divisor, shift = training_rows(found, name, value_range)
    if reading.size is not None and rows.shape[2:] != (reading.size, reading.size):
        if found.divisor is not None:
            raise FmdiagError(f"{name}: rows have shape {rows.shape[1:]}, and no other size can be had: leave size out")
        rows = resample(rows, reading.size, name)
    notes = remarks(found.rows, rows, name) if (found.divisor, value_range) == (None, None) else ()
    if found.n_turned and reading.orientation == "upright":
        notes = (*notes, f"{name}: {found.n_turned} of {len(rows)} pictures are turned upright by their EXIF "
                "orientation; a model that was trained without a look at it saw them as stored: --orientation stored")
    for sentence in () if silent else notes:
        warnings.warn(sentence, FmdiagWarning, stacklevel=4)
    turned = partial(_turned, source, reading, value_range, part) if found.n_turned else None
    split = "test" if part == "test" else "train"
    wanted = groups.get(split)
    numbers, names = find_groups(wanted, found, len(rows), name)
    return TrainingSet(rows, divisor=divisor, shift=shift, labels=found.labels, name=name, split=split, remarks=notes,
                       n_turned=found.n_turned, orientation=reading.orientation, otherwise_turned=turned,
                       groups=numbers, group_names=names, grouped_by=wanted if isinstance(wanted, str) else None,
                       files=found.files)


def _turned(source, reading, value_range, part):
    """Return the same rows in the other orientation, as stored or upright."""
    other, = set(ORIENTATIONS) - {reading.orientation}
    reading = replace(reading, orientation=other)
    return _make(source, reading, value_range, {}, open_source(source, reading)[part], part, silent=True)


def is_fraction(held_out):
    """Whether `held_out` is a share of the rows instead of a source of others."""
    try:
        return _fraction(held_out) is not None
    except FmdiagError:
        return False


def _fraction(held_out):
    """Return `held_out` as a fraction in (0, 1), or None where it is no number."""
    if isinstance(held_out, (np.ndarray, torch.Tensor)):
        return None
    try:
        fraction = float(held_out)
    except (TypeError, ValueError):
        return None
    if not 0 < fraction < 1:
        raise FmdiagError(f"held_out must be a fraction between 0 and 1, or a path, got {held_out}")
    return fraction


def _load_train(parts):
    return (parts.get("train") or parts["all"])()


def _with_test(parts, elsewhere):
    rows = _load_train(parts)
    test = partial(elsewhere, shape=rows.shape) if elsewhere else parts.get("test")
    return replace(rows, held_out_source=test)


def _held_out_elsewhere(source, reading, value_range, groups, shape=None):
    parts = open_source(source, reading)
    part = "test" if "test" in parts else "all"
    groups = {"train": groups.get("test"), "test": groups.get("test")}
    rows = replace(_make(source, reading, value_range, groups, parts[part], part), split="test")
    if shape is not None and rows.shape != shape:
        raise FmdiagError(f"{name_of(source)}: held-out examples have shape {rows.shape}, training examples {shape}; "
                          f"give rows "
                          "of one kind, or --size")
    return rows


def _test_rows(test, source):
    if test is None:
        raise FmdiagError(f"{name_of(source)} has no test part: name one with held_out (--held-out PATH), or hold out "
                          "a fraction of its rows (--held-out 0.1)")
    return test()


def _flipped(rows):
    # Flips mirror the last axis, which must be the width.
    if len(rows.shape) == 3 and rows.shape[2] in CHANNELS and rows.shape[0] not in CHANNELS:
        raise FmdiagError(f"{rows.name}: rows of shape {rows.shape} look channels last: a flip would swap colours; "
                          "store them channels first, or give their value_range")
    return rows.with_hflip()

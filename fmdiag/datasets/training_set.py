"""Training set: the finite set of points that a model is compared with.

A `TrainingSet` keeps its rows as they are stored (uint8 stays uint8, memory maps stay on disk) and hands them out as
float32 in *model range*, the values that the network saw: `rows / divisor + shift`, computed in float32. With
horizontal flips the set has 2n rows: row n + i is the mirror image of row i (a model trained with random flips has seen
both, so the empirical distribution has both).
"""

import warnings
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from fmdiag.datasets.condition import Condition, check_alike, described, of_class
from fmdiag.datasets.file_names import chosen_files
from fmdiag.datasets.grouped_sets import beside, rows_of_whole_groups
from fmdiag.datasets.model_range import RowsInModelRange
from fmdiag.datasets.overlap import find_overlap, without
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.files.places import is_elsewhere, shown_path

STORED_DTYPES = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


@dataclass(frozen=True, eq=False, repr=False)
class TrainingSet(RowsInModelRange):
    """Rows of a training set, in memory or memory-mapped.

    Parameters
    ----------
    rows : ndarray, shape (n, *shape)
        The data as stored; images are channels first.
    divisor, shift : float
        The map to model range: ``rows / divisor + shift`` in float32; without a divisor uint8 is pictures of 8 bits,
        127.5 and -1, and all else is in model range already.
    labels : ndarray of int, shape (n,), optional
        Class labels.
    hflip : bool
        Whether mirror images count as further rows.
    name : str
        Named set, or the path it was read from.
    split : str
        train or test.
    held_out_source : TrainingSet or callable, optional
        Rows of the same source that were not trained on, or a function that loads them.
    remarks : tuple of str
        What a reader of results must know of how the rows were read.
    n_turned : int
        Pictures of the source whose EXIF orientation is not the one in which they are stored.
    orientation, otherwise_turned : str, and callable, optional
        ``"upright"``, if they were turned, or ``"stored"``; loads the same rows in the other orientation.
    groups : ndarray of int64, shape (n_stored,), optional
        Which rows belong together, numbers into `group_names`; those of the held-out rows are other numbers.
    group_names : tuple of str
        What the groups are called.
    grouped_by : str, optional
        What they were asked for by: see `fmdiag.datasets.groups`.
    spread : float or TrainingSet, optional
        Deviations with which the rows were sampled anew in training, model range; see `fmdiag.datasets.moments`.
    condition : Condition, optional
        Of rows of one class: what they are a part of, and with what guidance: see `fmdiag.datasets.condition`.
    files : callable, optional
        Returns the path of every stored row's picture below the set's folder; see `fmdiag.datasets.file_names`.

    Raises
    ------
    FmdiagError
        If there is no row, the dtype is not numeric, labels or groups do not fit, or flips are asked of vectors.
    """

    rows: np.ndarray
    divisor: float | None = None
    shift: float = 0.0
    labels: np.ndarray | None = None
    hflip: bool = False
    name: str = "array"
    split: str = "train"
    held_out_source: object = None
    remarks: tuple = ()
    n_turned: int = 0
    orientation: str = "upright"
    otherwise_turned: object = None
    groups: np.ndarray | None = None
    group_names: tuple = ()
    grouped_by: str | None = None
    spread: Any = None
    condition: Condition | None = None
    files: Any = None

    def __post_init__(self):
        """Check what can be checked without reading the rows."""
        if self.divisor is None:
            pictures = self.rows.dtype == np.uint8
            object.__setattr__(self, "divisor", 127.5 if pictures else 1.0)
            object.__setattr__(self, "shift", -1.0 if pictures else self.shift)
        if self.rows.ndim < 2 or self.rows.shape[0] == 0 or self.dim == 0:
            raise FmdiagError(f"{self.name}: a training set needs shape (n, ...) with n >= 1, got {self.rows.shape}")
        if self.rows.dtype.name not in STORED_DTYPES:
            raise FmdiagError(f"{self.name}: rows must be one of {', '.join(STORED_DTYPES)}, got {self.rows.dtype}")
        for what, values in (("labels", self.labels), ("groups", self.groups)):
            if values is not None and len(values) != len(self.rows):
                raise FmdiagError(f"{self.name}: {len(values)} {what} for {len(self.rows)} rows")
        check_alike(self)
        if isinstance(self.spread, TrainingSet) and self.spread.hflip != self.hflip:
            object.__setattr__(self, "spread", self.spread.with_hflip(self.hflip))
        if self.hflip and len(self.shape) < 2:
            raise FmdiagError(f"{self.name}: horizontal flips need images, got rows of shape {self.shape}")

    @property
    def n_stored(self):
        """Number of rows stored, flips not counted."""
        return self.rows.shape[0]

    @property
    def n(self):
        """Number of rows of the empirical distribution, flips counted."""
        return self.n_stored * (2 if self.hflip else 1)

    @property
    def n_groups(self):
        """Number of groups that the rows are of, or None where they have none."""
        return None if self.groups is None else len(np.unique(self.groups))

    @property
    def shape(self):
        """Shape of one row."""
        return tuple(int(size) for size in self.rows.shape[1:])

    @property
    def dim(self):
        """Number of coordinates of one row."""
        return int(np.prod(self.rows.shape[1:]))

    @property
    def dtype(self):
        """Dtype of the rows as stored."""
        return self.rows.dtype

    @cached_property
    def held_out(self):
        """The held-out TrainingSet as the source has it, or None where it has none; to compare with: `unseen`."""
        source = self.held_out_source
        return beside(source() if callable(source) else source, self)

    @cached_property
    def overlap(self):
        """The Overlap: which of these are training rows; None where the source has no held-out set."""
        return None if self.held_out is None else find_overlap(self.held_out, self)

    @cached_property
    def unseen(self):
        """The held-out TrainingSet without rows that its Overlap leaves out, or None where the source has none."""
        if self.overlap is None or not len(self.overlap.rows):
            return self.held_out
        held_out = without(self.held_out, self.overlap) if len(self.overlap.left_out) else self.held_out
        warnings.warn(f"{self.name}: {self.overlap.sentence()}", FmdiagWarning, stacklevel=3)
        return held_out

    @property
    def cautions(self):
        """What a reader of results on this set must know: sentences about what has been looked at so far."""
        sentence = vars(self)["overlap"].sentence() if vars(self).get("overlap") else None
        return [*self.remarks, *([] if sentence is None else [f"{self.name}: {sentence}"])]

    def __repr__(self):
        flips = ", hflip" if self.hflip else ""
        return f"TrainingSet({self.name!r}, {self.split}, n={self.n}, shape={self.shape}, {self.dtype}{flips})"

    def __len__(self):
        """Return n, flips counted."""
        return self.n

    def subset(self, n, *, seed=0):
        """Return n stored rows drawn without replacement; subsets of one seed are nested.

        Raises
        ------
        FmdiagError
            If n is not in [1, n_stored].
        """
        if not 1 <= n <= self.n_stored:
            raise FmdiagError(f"{self.name}: a subset must have 1 to {self.n_stored} rows, got {n}")
        order = np.sort(np.random.default_rng(seed).permutation(self.n_stored)[:n])
        return self.chosen(order)

    def chosen(self, numbers, **changes):
        """Return the stored rows with these numbers, their labels and groups, in either orientation."""
        turned, files = self.otherwise_turned, chosen_files(self.files, numbers)
        labels, groups = (None if values is None else values[numbers] for values in (self.labels, self.groups))
        spread = self.spread.chosen(numbers) if isinstance(self.spread, TrainingSet) else self.spread
        return replace(self, **{"rows": self.rows[numbers], "labels": labels, "groups": groups, "condition": None,
                                "spread": spread, "files": files, "otherwise_turned": turned and partial(
                                    _chosen_of, turned, numbers), **changes})

    def of_class(self, label, guidance=1.0):
        """Return the rows of one class, whose û* is that of a model asked for it; see `fmdiag.datasets.condition`."""
        return of_class(self, label, guidance=guidance)

    def group_of(self, numbers):
        """Return the groups of rows, int64, a mirror image's being that of its row; None where there are none."""
        return None if self.groups is None else self.groups[np.asarray(numbers, np.int64) % self.n_stored]

    def with_hflip(self, hflip=True):
        """Return the same set with (or without) its mirror images as further rows; the held-out set stays unflipped."""
        condition = self.condition and replace(self.condition, whole=self.condition.whole.with_hflip(hflip))
        return replace(self, hflip=hflip, condition=condition)

    def split_held_out(self, fraction=0.1, *, seed=0):
        """Return the training part, its `held_out` set to the rest: a deterministic split by a seeded permutation.

        Where rows have groups, whole groups are held out, and a remark says how many rows that is.

        Raises
        ------
        FmdiagError
            If either part would be empty, or of fewer than two groups.
        """
        n_test = round(self.n_stored * fraction)
        if not 1 <= n_test < self.n_stored:
            raise FmdiagError(f"{self.name}: a held-out fraction of {fraction} leaves {n_test} of {self.n_stored} rows")
        if self.groups is None:
            held_out = np.zeros(self.n_stored, bool)
            held_out[np.random.default_rng(seed).permutation(self.n_stored)[:n_test]] = True
        else:
            held_out = rows_of_whole_groups(self.groups, fraction, seed, self.name)
        train, test = (self.chosen(np.flatnonzero(part)) for part in (~held_out, held_out))
        if test.n_stored != n_test:
            remark = (f"{self.name}: {test.n_groups} whole groups of {self.n_groups} are held "
                      f"out, {test.n_stored} of {self.n_stored} rows ({test.n_stored / self.n_stored:.1%} instead "
                      f"of {fraction:.1%})")
            warnings.warn(remark, FmdiagWarning, stacklevel=3)
            train = replace(train, remarks=(*self.remarks, remark))
        return replace(train, held_out_source=replace(test, split="test", hflip=False, held_out_source=None))

    def describe(self):
        """Return what `run.json` and checkpoints record of the set: a dict of plain values."""
        turned = {"turned": self.n_turned, "orientation": self.orientation} if self.n_turned else {}
        name = shown_path(self.name) if is_elsewhere(self.name) else self.name
        groups = {"n_groups": self.n_groups, "groups": self.grouped_by}
        groups = described(self) | {name: value for name, value in groups.items() if value is not None}
        return {"name": name, "split": self.split, "n": self.n, "shape": list(self.shape), "hflip": self.hflip,
                "dtype": self.rows.dtype.name, "divisor": self.divisor, "shift": self.shift, **turned, **groups,
                "fingerprint": self.fingerprint}


def _chosen_of(load, numbers):
    return load().chosen(numbers)

"""Settings of a monitor: checked, completed, and named by what decides a look."""

import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from fmdiag.datasets import TrainingSet, as_training_set
from fmdiag.datasets.overlap import usable
from fmdiag.diagnostics.memorization import measure as copies
from fmdiag.diagnostics.memorization import near
from fmdiag.diagnostics.nulls import check_null
from fmdiag.diagnostics.parameters import COMMON, Spec, valid
from fmdiag.errors import FmdiagError, FmdiagWarning, check_choice
from fmdiag.features import as_features
from fmdiag.fields import non_finite_allowed
from fmdiag.files.hashing import arrays_sha256, text_sha256
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import draw_noise, seeded

MEASURES = ("error", "gap", "f_mem", "membership")
NEEDS_HELD_OUT = ("gap", "membership")
TIMES = (0.2, 0.5, 0.8)
N_STEPS = 20
N_NULL = 1000     # held-out examples of the null of f_mem, searched once
LEAST = 8      # samples of a look
NO_HELD_OUT = ("{name} has no held-out examples: the monitor leaves out the gap, the membership AUC and the null of "
               "f_mem (held_out=ROWS gives some)")


@dataclass(frozen=True)
class Setting:
    """What is the same at every look.

    Parameters
    ----------
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that the network is trained on.
    held_out : TrainingSet, array or False, optional
        Rows that it is not trained on; default the training set's own; False: none.
    measures : sequence of str or callable, optional
        Names in `MEASURES`, default all that apply; or functions of (field, training_set) that return a number, or
        {quantity: number or (value, low, high)}.
    path : GaussianPath, optional
        Probability path of the training; default linear.
    times : sequence of float
        Times in [0, 1) of error, gap and membership.
    n_steps, method
        Solver of the samples and trajectories, as in `fmdiag.sample`.
    memory, device, group, seed
        As in `fmdiag.alignment`.

    Raises
    ------
    FmdiagError
        If a measure is unknown, or held-out rows have another shape.
    """

    training_set: TrainingSet
    held_out: object = None
    measures: tuple = ()
    path: object = None
    times: tuple = TIMES
    n_steps: int = N_STEPS
    method: str = "euler"
    memory: int | None = None
    device: object = "cpu"
    group: object = field(default=SINGLE, repr=False)
    seed: int = 0

    def __post_init__(self):
        valid("seed", self.seed, COMMON["seed"])
        rows = as_training_set(self.training_set)
        if self.held_out is not None:
            rows = replace(rows, held_out_source=usable(self.held_out, rows)[0])
        if rows.unseen is not None and rows.unseen.shape != rows.shape:
            raise FmdiagError(f"held-out examples have shape {rows.unseen.shape}, those of {rows.name} {rows.shape}: "
                              f"give "
                              "rows of one kind")
        asked = [one if callable(one) else check_choice("measure", one, MEASURES) for one in self.measures or ()]
        named = asked or [name for name in MEASURES if name not in NEEDS_HELD_OUT or rows.unseen is not None]
        object.__setattr__(self, "training_set", rows)
        object.__setattr__(self, "measures", tuple(dict.fromkeys(named)))

    @property
    def surroundings(self):
        """Keywords that the measures of a field take."""
        return {"path": self.path, "memory": self.memory, "device": self.device, "group": self.group}

    def generator(self):
        """Return a new torch.Generator of the setting's seed."""
        return seeded(None, self.seed)

    def prepare(self):
        """Make what looks share, where the first one would."""
        if "f_mem" in self.measures and self.training_set.unseen is not None:
            self.null  # noqa: B018

    @cached_property
    def null(self):
        """Rows of the held-out examples in the table of memorization, which examples, and why they are no null."""
        rows, search = self.training_set, {"device": self.device, "group": self.group}
        free = np.arange(rows.unseen.n)
        feature, = as_features("pixels", rows, self.device)
        check = check_null(rows, rows.unseen, free, features=[feature], **search)
        order = torch.randperm(len(check.kept), generator=self.generator()).numpy()[:N_NULL]
        numbers = np.sort(check.kept[order])
        table = copies.tabulate(numbers, rows.unseen[numbers], rows, source="heldout", **search)
        return table, near.searched(rows.unseen, check.kept), check.not_judged


def check(every, budget, n):
    """Raise FmdiagError where a number is out of range."""
    if every is None or n is None:
        raise FmdiagError("every and n must be whole numbers, got None")
    valid("every", every, Spec("Steps between looks.", "int", minimum=1))
    valid("budget (per cent of the training's time, or None)", budget,
          Spec("Share of the training's time.", "float", minimum=0, above=True, maximum=100))
    valid("n", n, Spec("Examples.", "int", minimum=LEAST))


def setting_of(train, held_out, measures, options, *, say):
    """Return the Setting; without held-out rows the measures that need them are refused, or left out with a warning."""
    setting = Setting(train, held_out, (measures,) if isinstance(measures, str) else tuple(measures or ()), **options)
    rows = setting.training_set
    if rows.unseen is not None:
        return setting
    asked = [name for name in NEEDS_HELD_OUT if name in (measures or ())]
    if asked:
        raise FmdiagError(f"{asked[0]}: {rows.name} has no held-out examples: give held_out=ROWS, or leave it out")
    if say and held_out is not False:
        warnings.warn(NO_HELD_OUT.format(name=rows.name), FmdiagWarning, stacklevel=4)
    return replace(setting, measures=setting.measures or MEASURES)


def digest(field, setting):
    """Return what tells this network from others: its answers at eight points; None where it fails."""
    points = draw_noise(LEAST, setting.training_set.shape, generator=setting.generator())
    try:
        with non_finite_allowed():
            return arrays_sha256(field(points, torch.linspace(0.1, 0.9, len(points))).cpu().numpy())
    except Exception:
        return None


def key_of(setting, n_samples=0):
    """Return what decides a look but the network and n; `n_samples` of the test distance."""
    rows, names = setting.training_set, [getattr(one, "__qualname__", one) for one in setting.measures]
    path = None if setting.path is None else setting.path.describe()
    return text_sha256(repr([rows.fingerprint, rows.unseen and rows.unseen.fingerprint, names, path, setting.times,
                             setting.n_steps, setting.method, setting.seed, n_samples]))

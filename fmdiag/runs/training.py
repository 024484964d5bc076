"""Training into a run folder: a new run of a data set, or one that goes on from the state that its folder keeps."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from fmdiag.checkpoints.recorded import load_recorded, source_record
from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.devices import choose_device
from fmdiag.errors import check_choice
from fmdiag.paths import path_from_description
from fmdiag.ranks import torchrun as ranks
from fmdiag.runs.inputs import READING
from fmdiag.runs.training_folder import TrainingFolder, locked
from fmdiag.training import check_unchanged, choose_network, resume, train

SETTINGS = ("loss", "steps", "batch_size", "lr", "warmup", "clip", "ema_decay", "precision", "seed")
OBJECTIVE = ("coupling", "pool_size", "replacement", "sigma", "noise")
SIZES = ("width", "depth", "dropout", "channels", "attention")
NAMES = ("dataset", "n", "network", "path", *SIZES, *SETTINGS, *OBJECTIVE, *READING)


def train_into(out, *, resume=False, device="auto", save_seconds=30.0, progress=None, monitor=None, command="",
               places=(), **asked):
    """Train a network into the folder `out`, and return what run.json says; None on ranks other than the first.

    Parameters
    ----------
    out : path
        Run folder: state.pt, checkpoint.pt and tables/loss are written as training goes on, run.json at its end.
    resume : bool
        Whether the run that is in `out` goes on, bit for bit as if it had not stopped.
    device : str
        ``auto``, ``cpu``, ``cuda``, ...
    save_seconds : float
        Least time between two saves.
    progress : context manager, optional
        Entered while the network trains; what it gives is called as ``progress(step, loss, steps)``, such as
        `fmdiag.runs.progress.TrainingProgress`.
    monitor : callable, optional
        Called as ``monitor(training_set, path, device)`` before the first step; what it returns is called as
        ``callback(state)`` every 10 steps, as in `fmdiag.train`.
    command : str
        Command line for the record, empty where there is none.
    places : iterable of str
        Paths that the user gave, which the record shows by their names alone.
    **asked
        dataset, n and the options of `fmdiag.load_dataset`; network, width, depth, dropout, channels and attention
        as in `fmdiag.training.choose_network`; path, the name of a probability path; the settings of `fmdiag.train`
        and the options of its objective. What is None or left out has the default of a new run, and stays in one that
        goes on.

    Raises
    ------
    FmdiagError
        If the folder is not empty, or holds no run to go on with; if a run that goes on is asked for other settings or
        data; if another process trains there; if training diverges.
    """
    request = Request({check_choice("option of a training run", name, NAMES): value for name, value in asked.items()})
    group, device = ranks.join(choose_device(device))
    first = group.rank == 0
    # One rank saves and speaks.
    with locked(out, first, resume=resume):
        with ranks.one_first(group):
            # The others find the folder as the first rank did: it writes nothing before all are through.
            folder = TrainingFolder(out, resume=resume)
            start = request.resumed(folder.load(device)) if resume else request.begun()
        if monitor is not None:
            start = partial(start, callback=monitor(*_monitored(start), device))
        with progress or contextlib.nullcontext() as shown:
            state = start(device=device, save_seconds=save_seconds, group=group, save=folder.save if first else None,
                          progress=shown if first else None)
        ranks.leave(group)
        return folder.finish(state, command, places) if first else None


def _monitored(start):
    """Return (training set, path) of a call of `train` or `resume`."""
    first, other = start.args[:2]
    if isinstance(first, TrainingSet):
        return first, start.keywords["path"]
    return other, path_from_description(first.settings["path"])


@dataclass(frozen=True)
class Request:
    """What a training run is asked for, by the names of `train_into`."""

    asked: dict[str, Any]

    def begun(self) -> Callable[..., Any]:
        """Return the call of `train` that begins a run."""
        asked, sizes = self.asked, self._given(SIZES)
        source = asked.get("dataset") or "digits"
        training_set = load_dataset(source, **self._reading(), n=asked.get("n"))
        self._look_at_held_out(training_set)
        spec = choose_network(training_set.shape, asked.get("network") or "auto", **sizes)
        path = path_from_description({"name": asked.get("path") or "linear"})
        return partial(train, training_set, spec, path=path, objective=self._given(OBJECTIVE),
                       dataset=self._record(source, training_set), **self._given(SETTINGS))

    def resumed(self, state) -> Callable[..., Any]:
        """Return the call of `resume` that goes on from a TrainingState."""
        self._check_unchanged(state.settings)
        given = {name: value for name, value in self._reading().items()
                 if value not in (None, False) and name != "split"} | self._given(["n"])
        training_set = load_recorded(state.settings["dataset"], self.asked.get("dataset"), **given)
        self._look_at_held_out(training_set)
        return partial(resume, state, training_set, steps=self.asked.get("steps"))

    def _check_unchanged(self, settings):
        # An option that the run's own loss does not have is another objective too.
        before = {**dict.fromkeys(OBJECTIVE), **settings, **(settings.get("objective") or {}), **_named(settings)}
        asked = {name: self.asked.get(name) for name in (*SETTINGS, "network", "path", *OBJECTIVE, *SIZES)}
        asked["channels"] = list(asked["channels"]) if asked["channels"] else None
        check_unchanged(before, asked | {"network": None if asked["network"] == "auto" else asked["network"]})

    def _given(self, names):
        return {name: value for name in names if (value := self.asked.get(name)) is not None}

    def _reading(self) -> dict[str, Any]:
        return {name: self.asked[name] for name in READING if name in self.asked} | {
            "hflip": bool(self.asked.get("hflip"))}

    def _record(self, source, training_set):
        """Return how the examples were read, for `load_recorded`."""
        names = ("n", "size", "held_out", "skip_bad", "value_range", "orientation")
        return source_record(source, training_set, **self._given(names))

    def _look_at_held_out(self, training_set):
        """Read the held-out examples that were named: what is wrong with them is refused before hours of training."""
        if self.asked.get("held_out") is not None:
            training_set.held_out  # noqa: B018


def _named(settings):
    """Return network, path and sizes of a run by the names of `train_into`."""
    network = settings["network"]
    sizes = {"width": network["channels"][0], "depth": network["layers"]} if "channels" in network else network
    return {"network": network["name"], "path": settings["path"]["name"], "width": sizes["width"],
            "depth": sizes["depth"], "dropout": network.get("dropout", 0.0),
            "channels": network.get("channels"), "attention": network.get("middle", True)}

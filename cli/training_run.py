"""What `fmdiag train` does: gather data and settings, train or resume with progress shown, report the outcome."""

import contextlib
import os
import shlex
import signal
from pathlib import Path

import click

from fmdiag.runs.training_folder import CHECKPOINT, TrainingFolder, locked

from .echo import echo, echo_json
from .shown import given_places, typed_command

SETTINGS = ("loss", "steps", "batch_size", "lr", "warmup", "clip", "ema_decay", "precision", "seed")
OBJECTIVE = ("coupling", "pool_size", "replacement", "sigma", "noise")
SIZES = ("width", "depth", "dropout")


def run_training(options):
    """Train as the options of `fmdiag train` say, and print where the checkpoint is."""
    import torch

    from fmdiag.files.destination import slug
    from fmdiag.ranks import torchrun as ranks
    from fmdiag.runs.inputs import choose_device
    from fmdiag.runs.progress import TrainingProgress

    # Denormal weights and gradients slow a CPU down severalfold.
    torch.set_flush_denormal(True)
    group, device = ranks.join(choose_device(options["device"]))
    default = f"reports/train-{slug(Path(options['dataset'] or 'digits').stem)}"
    out = Path(default if options["out"] is None else options["out"])
    # One rank saves and speaks.
    with locked(out, group.rank == 0, resume=options["resume"]):
        with ranks.one_first(group):
            # The others find the folder as the first rank did: it writes nothing before all are through.
            folder = TrainingFolder(out, resume=options["resume"])
            start = (_resumed if options["resume"] else _new)(options, folder, device)
        speaks = group.rank == 0
        shown = {"save": folder.save if speaks else None, "progress": TrainingProgress() if speaks else None}
        with _interruptible(folder), shown["progress"] or contextlib.nullcontext():
            state = start(device=device, save_seconds=options["save_seconds"], group=group, **shown)
        ranks.leave(group)
        if group.rank == 0:
            record = folder.finish(state, typed_command(), given_places())
    if group.rank == 0:
        _report(record, folder, options["as_json"])


def _new(options, folder, device):
    from functools import partial

    from fmdiag.datasets import load_dataset
    from fmdiag.paths import path_from_description
    from fmdiag.training import choose_network, train

    given = {name: options[name] for name in SETTINGS if options[name] is not None}
    source = options["dataset"] or "digits"
    training_set = load_dataset(source, **_reading(options), n=options["n_rows"])
    _look_at_held_out(training_set, options)
    spec = choose_network(training_set.shape, options["kind"] or "auto", width=options["width"],
                          depth=options["depth"], dropout=options["dropout"] or 0.0)
    path = path_from_description({"name": options["path_name"] or "linear"})
    objective = {name: options[name] for name in OBJECTIVE if options[name] is not None}
    return partial(train, training_set, spec, path=path, objective=objective,
                   dataset=_record(options, source, training_set), **given)


def _look_at_held_out(training_set, options):
    """Read the held-out rows that were named, for their refusals: nothing else looks at them before a measurement."""
    if options["held_out"] is not None:
        training_set.held_out  # noqa: B018


def _resumed(options, folder, device):
    from functools import partial

    from fmdiag.checkpoints.recorded import load_recorded
    from fmdiag.training import check_unchanged, resume

    state = folder.load(device)
    kind = None if options["kind"] == "auto" else options["kind"]
    asked = {"network": kind, "path": options["path_name"]}
    before = state.settings | (state.settings.get("objective") or {}) | _named(state.settings)
    # An option that the run's own loss does not have is another objective too.
    before = {**dict.fromkeys(OBJECTIVE), **before}
    asked |= {name: options[name] for name in OBJECTIVE}
    check_unchanged(before, {**{name: options[name] for name in SETTINGS}, **asked,
                                                              **{name: options[name] for name in SIZES}})
    given = {name: value for name, value in _reading(options).items() if value not in (None, False) and name != "split"}
    if options["n_rows"] is not None:
        given["n"] = options["n_rows"]
    training_set = load_recorded(state.settings["dataset"], options["dataset"], **given)
    _look_at_held_out(training_set, options)
    return partial(resume, state, training_set, steps=options["steps"])


def _named(settings):
    """Return network and path of a run as the options name them."""
    network = settings["network"]
    sizes = {"width": network["channels"][0], "depth": network["layers"]} if "channels" in network else network
    return {"network": network["name"], "path": settings["path"]["name"], "width": sizes["width"],
            "depth": sizes["depth"], "dropout": network.get("dropout", 0.0)}


def _reading(options):
    from fmdiag.runs.inputs import READING

    return {name: options[name] for name in READING} | {"hflip": bool(options["hflip"])}


def _record(options, source, training_set):
    """Return how the rows were read, for `load_recorded`; paths are made absolute, names stay."""
    held_out = options["held_out"]
    return {"source": absolute(source), "size": options["size"], "subset_n": options["n_rows"], "subset_seed": 0,
            "held_out": absolute(held_out) if held_out else None, "skip_bad": options["skip_bad"],
            "value_range": options["value_range"] and list(options["value_range"]),
            "groups": training_set.grouped_by or "none",
            **({"orientation": options["orientation"]} if options["orientation"] else {})}


def absolute(source):
    """Return a path as absolute; names of sets stay."""
    from fmdiag.datasets.named import NAMED

    return str(Path(source).resolve()) if source not in NAMED and Path(source).exists() else source


@contextlib.contextmanager
def _interruptible(folder):
    try:
        yield
    except KeyboardInterrupt as stop:
        number = stop.args[0] if stop.args else signal.SIGINT
        echo(f"interrupted; continue with: fmdiag train --resume --out {folder.path}", err=True)
        raise click.exceptions.Exit(128 + number) from None


def _report(record, folder, as_json):
    result = {"run": str(folder.path), "checkpoint": str(folder.path / CHECKPOINT), "steps": record["steps"],
              "final_loss": record["final_loss"], "precision": record["dtype"], "seconds": record["seconds"]}
    if as_json:
        echo_json(result)
        return
    for name, value in result.items():
        echo(f"{name:<12} {value:.4g}" if isinstance(value, float) else f"{name:<12} {value}")
    echo(f"next: fmdiag report {result['checkpoint']}{_asked_for(record['dataset'])}", err=True)


def _asked_for(recorded):
    """Return the options that name data outside the working folder, which a checkpoint does not."""
    places = {option: recorded.get(name) for name, option in (("source", "--dataset"), ("held_out", "--held-out"))}
    return "".join(f" {option} {shlex.quote(place)}" for option, place in places.items()
                   if isinstance(place, str) and os.path.isabs(place) and not Path(place).is_relative_to(Path.cwd()))

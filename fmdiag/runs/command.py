"""Command line that makes one diagnostic of a run again: the run's options, and the parameters that are no default."""

import shlex
from pathlib import Path
from typing import Any

from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.diagnostics.parameters import specs
from fmdiag.files.places import is_elsewhere, shown_path

# Option of a run -> option of the command line, where it is not the name with hyphens.
NAMES: dict[str, str] = {"path_name": "path"}
MODEL = {"pairing": ["--from"]}  # where the checkpoint is an option, not an argument


def remade(run, name, result):
    """Return the command line of a diagnostic of the run, or the run's own where the diagnostic is no command."""
    card = DIAGNOSTICS[name]
    if not card.command or run.field is not None and run.checkpoint is None:
        return run.command
    words = ["fmdiag", name, *_options(run), *_parameters(card, result.asked)]
    model = [] if run.checkpoint is None else [*MODEL.get(name, ()), shown_path(run.checkpoint.file)]
    return shlex.join([*words, *model, *_arguments(card, result.asked)])


def _options(run):
    asked = {name: value for name, value in run.given.options.items()
             if (name, value) != ("split", "train") and (value is not False or name == "hflip") and _is_plain(value)}
    given: dict[str, Any] = {**asked, "dataset": run.given.train if isinstance(run.given.train, str | Path) else None,
             "seed": run.seed or None, "memory": run.given_memory, "decoder": run.given.decoder}
    return [word for name, value in given.items() for word in _words(NAMES.get(name, name).replace("_", "-"), value)]


def _parameters(card, asked):
    words = []
    for name, (spec, default) in specs(card.parameters).items():
        value = asked.get(name, default)
        if value == default or value is None or spec.argument or not _is_plain(value):
            continue
        option = (spec.option or f"--{name.replace('_', '-')}").removeprefix("--")
        for one in value if spec.many else [value]:
            words += _words(option, one)
    return words


def _arguments(card, asked):
    return [shown_path(asked[name]) for name, (spec, _) in specs(card.parameters).items()
            if spec.argument and asked.get(name) is not None]


def plain_values(parameters):
    """Return the parameters of a dict that are plain values; arrays are left out."""
    return {name: value for name, value in parameters.items() if _is_plain(value)}


def _is_plain(value):
    return value is None or isinstance(value, str | int | float | bool | tuple | list | Path)


def _words(option, value):
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", _text(value)]


def _text(value):
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return shown_path(value) if is_elsewhere(str(value)) else str(value)

"""Model card of what was read and assumed of a checkpoint, to be corrected and given back as --model."""

import json
import os
from pathlib import Path

from fmdiag.checkpoints.foreign import GIVEN
from fmdiag.checkpoints.named_schedules import name_of
from fmdiag.errors import FmdiagError
from fmdiag.paths import PATHS


def card_of(checkpoint):
    """Return the model card, a dict, that gives this checkpoint's reading explicitly."""
    known = checkpoint.description
    if known["family"] == "native":
        raise FmdiagError(f"{checkpoint.file} is a native checkpoint and needs no card: it says everything itself")
    card = {"family": known["family"], "weights": known["weights"], "class_label": known["class_label"],
            "guidance": None if known["guidance"] == 1 else known["guidance"]}
    card |= {name: known.get(name) for name in ("kind", "weights_key", "prefix", "call", "output", "coupling", "heads")}
    condition = checkpoint.field.foreign.condition
    card |= {"n_steps": known.get("sampler_steps"), "condition": condition and str(Path(condition).resolve())}
    return {**card, **_network(checkpoint), "convention": _convention(checkpoint),
            "data": {"shape": known["network"].get("shape"), "hflip": bool(known.get("hflip")),
                     "range": known.get("data_range")}}


def _network(checkpoint):
    """Return factory and arguments of a user's class, or the arguments that are assumed of an inferred network."""
    known, foreign = checkpoint.description, checkpoint.field.foreign
    name = str(known["network"]["name"])
    if ":" not in name:
        return {"arguments": {} if known.get("heads") else known.get("attention") or {}}
    arguments = {k: v for k, v in known["network"].items() if k not in ("name", "shape")}
    return {"factory": name, "arguments": arguments, "n_classes": foreign.n_classes or None,
            "null_label": foreign.null_label}


def _convention(checkpoint):
    convention, schedule = checkpoint.field.convention, checkpoint.description["schedule"]
    table = {"parameterisation": convention.parameterisation}
    if schedule["name"] in PATHS:
        table |= {"time_direction": convention.time_direction}
        table |= {"steps": convention.steps, "step_offset": convention.step_offset} if convention.steps else {
            "time_scale": convention.time_scale}
        # A span narrower than [0, 1] is the family's own: naming the path again would widen it.
        if convention.schedule.span == (0.0, 1.0):
            table["path"] = schedule
    elif checkpoint.description["family"] == "module" or checkpoint.description["origin"].get("schedule") == GIVEN:
        name = name_of(convention.schedule)
        table |= {"path": name} if name else convention.schedule.card()
        table |= {"steps": convention.steps} if convention.steps else {}
    return table


def relocated(factory, before, after):
    """Return a factory ``file.py:name`` that a card in folder `before` names, as one in folder `after` names it."""
    place, _, name = (factory or "").rpartition(":")
    if not place.endswith(".py"):
        return factory
    file = Path(before) / Path(place).expanduser()
    return f"{os.path.relpath(file.resolve(), Path(after).resolve())}:{name}"


def write_card(card, file):
    """Write a card, a dict as `read_card` returns it, as TOML."""
    plain = {key: value for key, value in card.items() if value is not None and not isinstance(value, dict)}
    lines = [f"{key} = {_toml(value)}" for key, value in plain.items()]
    for name, table in card.items():
        if isinstance(table, dict) and table:
            lines += ["", f"[{name}]"]
            lines += [f"{key} = {_toml(value)}" for key, value in table.items() if value is not None]
    write_text("\n".join(lines) + "\n", file)


def write_text(text, file):
    """Write the text of a card.

    Raises
    ------
    FmdiagError
        If it cannot be written, or has what UTF-8 cannot spell.
    """
    try:
        Path(file).write_text(text, encoding="utf-8")
    except UnicodeEncodeError as error:
        raise FmdiagError(f"{file}: a card cannot spell {error.object[error.start : error.end]!r}, which is no text: "
                          "rename the file of that name") from error
    except OSError as error:
        raise FmdiagError(f"{file}: cannot be written ({error.strerror})") from error


def _toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(k))} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    return json.dumps(value, ensure_ascii=False)

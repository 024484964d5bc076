"""Call of a network: the order of x, t and the label, from a model card's `call` or the class's signature.

A call is written as ``"x, t"``, ``"t, x, y"`` or, for an argument by its name, ``"x, t, class_labels=y"``. Other names
are fixed tensors of the card's condition: ``"x, t, encoder_hidden_states=text"``.
"""

import inspect
import re
from dataclasses import dataclass, replace

from fmdiag.checkpoints.conditions import OWN, for_batch, used_of, without_condition
from fmdiag.checkpoints.foreign import ASSUMED, READ
from fmdiag.errors import FmdiagError

TIME_NAMES = ("t", "time", "times", "timestep", "timesteps", "tau", "sigma", "sigmas", "noise_labels")
LABEL_NAMES = ("y", "label", "labels", "class_label", "class_labels", "class_id", "class_ids", "class_idx", "classes",
               "cls", "cond", "condition", "c", "target", "targets")
ORDER = ("give the order of x, t and (for labels) y or (for a second time) r, e.g. \"x, t\", \"t, x, y\", "
         "\"x, t, labels=y\" or \"x, t, r\"")


def order_of(module, choices):
    """Return (order of the arguments, where it comes from); with a label where the card says that there are classes.

    Raises
    ------
    FmdiagError
        If there are classes, and neither `call` nor the class's signature says how a label is passed.
    """
    if choices.call is not None:
        order = checked(choices.call, sampler=choices.kind == "sampler", conditions=choices.conditions)
        _check_second(module, order, choices)
        if choices.n_classes and not re.search(r"\by\b", order):
            raise FmdiagError(f"n_classes = {choices.n_classes} in the model card, but its call {choices.call!r} "
                              f"passes no label: add y to call, as in \"{order}, y\", or leave n_classes out")
        return order, READ
    names, n_positional = _names(module)
    order = "t, x" if names and names[0].lower() in TIME_NAMES else "x, t"
    if choices.kind == "sampler" and names and not {name.lower() for name in names} & set(TIME_NAMES):
        order = "x"
    added = "".join(f", {name}={name}" for name in used_of(choices.conditions))
    _check_conditions(module, choices)
    if not choices.n_classes:
        return order + added, READ if names else ASSUMED
    label = next((name for name in names[2:] if name.lower() in LABEL_NAMES), None)
    if label is None:
        raise FmdiagError(f"n_classes = {choices.n_classes} in the model card, but {_shown(module, names)} has no "
                          f"label under a name that fmdiag knows ({', '.join(LABEL_NAMES[:5])}, ...): give "
                          f"call = \"{order}, NAME=y\" in the card, or leave n_classes out")
    return f"{order}, {'y' if names.index(label) == 2 < n_positional else f'{label}=y'}{added}", READ


def _check_conditions(module, choices):
    """Refuse tensors of a condition that a class takes under no such name."""
    names, _ = _names(module)
    strange = [name for name in used_of(choices.conditions) if name.partition(".")[0] not in names]
    if strange and not _takes_anything(module):
        raise FmdiagError(f"condition {choices.condition}: {_shown(module, names)} takes no {', '.join(strange)}: say "
                          f"where it goes by call in --model card.toml, e.g. call = \"x, t, NAME={strange[0]}\"")


def _check_second(module, order, choices):
    """Refuse a call of more arguments by position, or of other names, than a class takes."""
    names, n_positional = _names(module)
    parts = [part.partition("=") if "=" in part else ("", "", part) for part in order.split(", ")]
    strange = [name for name, equal, _ in parts if equal and name.partition(".")[0] not in names]
    surplus = [value for _, equal, value in parts if not equal][n_positional:]
    if not names or _takes_anything(module) or not (strange or surplus):
        return
    what = f"no argument {', '.join(strange)}" if strange else f"{n_positional} arguments by position, not " + (
        f"{', '.join(surplus)} too" + " (a second time)" * ("r" in surplus))
    raise FmdiagError(f"call {choices.call!r} in the model card: {_shown(module, names)} takes {what}")


def checked(call, sampler=False, conditions=()):
    """Return a written call in its usual spacing.

    Raises
    ------
    FmdiagError
        If it has not x and t once each, and y, r (a second time) and names of `conditions` at most once; a sampler may
        take x alone.
    """
    parts = ["=".join(part.split("=")) for part in re.sub(r"\s", "", call).split(",")]
    values = sorted(part.rpartition("=")[2] for part in parts)
    named = ["=" in part for part in parts]
    written = all(re.fullmatch(r"([A-Za-z_][\w.]*=)?[A-Za-z_][\w.]*", part) for part in parts)
    _check_known([part.rpartition("=")[2] for part in parts], call, conditions)
    core = [value for value in values if value in ("x", "t")]
    fits = core == ["t", "x"] or (sampler and core == ["x"] and "r" not in values)
    if not written or not fits or len(set(values)) < len(values) or named != sorted(named):
        raise FmdiagError(f"call {call!r}: {ORDER}")
    return ", ".join(parts)


def _check_known(names, call, conditions):
    strange = [name for name in names if name not in OWN and name not in conditions]
    if not strange or not all(re.fullmatch(r"[A-Za-z_][\w.]*", name) for name in strange):
        return
    file = f"has {', '.join(conditions)}" if conditions else "is not given"
    raise FmdiagError(f"call {call!r}: {ORDER}; {strange[0]} would be a tensor of the file condition, which {file}")


def calling(order, output=None, channels=None, conditions=None):
    """Return the `Call` of a written order.

    Parameters
    ----------
    order : str
        As `checked` returns it.
    output, channels, conditions
        Of the `Call`.
    """
    parts = tuple(part.rpartition("=")[::2] for part in order.replace(" ", "").split(","))
    return Call(parts, output, channels, conditions or {})


@dataclass(frozen=True)
class Call:
    """``call(module, x, time, labels, second=None)`` of a written order; r is the time where none is given.

    Parameters
    ----------
    parts : tuple of (str, str)
        Name of the argument, empty by position, and what it is given.
    output : str or int, optional
        Attribute or index of what is returned, where it is not the tensor itself.
    channels : bool, optional
        Whether to keep as many channels of the output as x has.
    conditions : dict of str to Tensor
        Fixed tensors of one sample by the names that the order uses.
    """

    parts: tuple
    output: str | int | None
    channels: bool | None
    conditions: dict

    @property
    def of_none(self):
        """The same call with what stands for no condition, where the file has it."""
        return replace(self, conditions=without_condition(self.conditions))

    def __call__(self, module, x, time, labels, second=None):
        """Return the output of the network, shape (b, *shape)."""
        values = {"x": x, "t": time, "y": labels, "r": time if second is None else second}
        values |= {name: for_batch(tensor, x) for name, tensor in self.conditions.items()}
        given = [(name, values[value]) for name, value in self.parts if values[value] is not None]
        found = module(*(value for name, value in given if not name), **_nested({k: v for k, v in given if k}))
        if self.output is None:
            found = found if hasattr(found, "shape") else getattr(found, "sample", found)
        else:
            found = found[int(self.output)] if str(self.output).isdigit() else getattr(found, self.output)
        return found[:, : x.shape[1]] if self.channels else found


def _nested(values):
    """Return arguments by name; ``added.text`` is the entry text of a dict added."""
    found = {}
    for name, value in values.items():
        whole, _, entry = name.partition(".")
        if entry:
            found.setdefault(whole, {})[entry] = value
        else:
            found[name] = value
    return found


def _names(module):
    """Return (names of the arguments, how many can be given by position); no names where it takes anything."""
    try:
        names = [argument.name for argument in module.forward.schema.arguments[1:]]
        return names, len(names)
    except (AttributeError, RuntimeError):
        kinds = {name: p.kind for name, p in inspect.signature(module.forward).parameters.items()
                 if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        return list(kinds), sum(kind is not inspect.Parameter.KEYWORD_ONLY for kind in kinds.values())


def _takes_anything(module):
    """Return whether a class takes arguments of any name, or does not say what it takes."""
    try:
        kinds = {parameter.kind for parameter in inspect.signature(module.forward).parameters.values()}
    except (TypeError, ValueError):
        return True
    return bool(kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}) or hasattr(
        module.forward, "schema")


def _shown(module, names):
    return f"{type(module).__name__}.forward({', '.join(names)})"

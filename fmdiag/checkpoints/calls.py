"""Call of a network: the order of x, t and the label, from a model card's `call` or the class's signature.

A call is written as ``"x, t"``, ``"t, x, y"`` or, for an argument by its name, ``"x, t, class_labels=y"``.
"""

import inspect
import re

from fmdiag.checkpoints.foreign import ASSUMED, READ
from fmdiag.errors import FmdiagError

TIME_NAMES = ("t", "time", "times", "timestep", "timesteps", "tau", "sigma", "sigmas", "noise_labels")
LABEL_NAMES = ("y", "label", "labels", "class_label", "class_labels", "class_id", "class_ids", "class_idx", "classes",
               "cls", "cond", "condition", "c", "target", "targets")


def order_of(module, choices):
    """Return (order of the arguments, where it comes from); with a label where the card says that there are classes.

    Raises
    ------
    FmdiagError
        If there are classes, and neither `call` nor the class's signature says how a label is passed.
    """
    if choices.call is not None:
        order = checked(choices.call, sampler=choices.kind == "sampler")
        if choices.n_classes and not re.search(r"\by\b", order):
            raise FmdiagError(f"n_classes = {choices.n_classes} in the model card, but its call {choices.call!r} "
                              f"passes no label: add y to call, as in \"{order}, y\", or leave n_classes out")
        return order, READ
    names, n_positional = _names(module)
    order = "t, x" if names and names[0].lower() in TIME_NAMES else "x, t"
    if choices.kind == "sampler" and names and not {name.lower() for name in names} & set(TIME_NAMES):
        order = "x"
    if not choices.n_classes:
        return order, READ if names else ASSUMED
    label = next((name for name in names[2:] if name.lower() in LABEL_NAMES), None)
    if label is None:
        raise FmdiagError(f"n_classes = {choices.n_classes} in the model card, but {_shown(module, names)} has no "
                          f"label under a name that fmdiag knows ({', '.join(LABEL_NAMES[:5])}, ...): give "
                          f"call = \"{order}, NAME=y\" in the card, or leave n_classes out")
    return f"{order}, {'y' if names.index(label) == 2 < n_positional else f'{label}=y'}", READ


def checked(call, sampler=False):
    """Return a written call in its usual spacing.

    Raises
    ------
    FmdiagError
        If it has not x and t once each, and y and r (a second time) at most once; a sampler may take x alone.
    """
    parts = ["=".join(part.split("=")) for part in re.sub(r"\s", "", call).split(",")]
    values = sorted(part.rpartition("=")[2] for part in parts)
    named = ["=" in part for part in parts]
    written = all(re.fullmatch(r"([A-Za-z_]\w*=)?[xtyr]", part) for part in parts)
    core = [value for value in values if value not in ("y", "r")]
    fits = core == ["t", "x"] or (sampler and core == ["x"] and "r" not in values)
    if not written or not fits or len(set(values)) < len(values) or named != sorted(named):
        raise FmdiagError(f"call {call!r}: give the order of x, t, (for labels) y and (for a second time) r, e.g. "
                          "\"x, t\", \"t, x, y\", \"x, t, labels=y\" or \"x, t, r\"")
    return ", ".join(parts)


def calling(order, output=None, channels=None):
    """Return ``call(module, x, time, labels, second=None)`` for a written order; r is the time where none is given.

    Parameters
    ----------
    order : str
        As `checked` returns it.
    output : str or int, optional
        Attribute or index of what is returned, where it is not the tensor itself.
    channels : bool, optional
        Whether to keep as many channels of the output as x has.
    """
    parts = [part.rpartition("=")[::2] for part in order.replace(" ", "").split(",")]

    def call(module, x, time, labels, second=None):
        values = {"x": x, "t": time, "y": labels, "r": time if second is None else second}
        given = [(name.rstrip("="), values[value]) for name, value in parts if values[value] is not None]
        found = module(*(value for name, value in given if not name), **{name: value for name, value in given if name})
        if output is None:
            found = found if hasattr(found, "shape") else getattr(found, "sample", found)
        else:
            found = found[int(output)] if str(output).isdigit() else getattr(found, output)
        return found[:, : x.shape[1]] if channels else found

    return call


def _names(module):
    """Return (names of the arguments, how many can be given by position); no names where it takes anything."""
    try:
        names = [argument.name for argument in module.forward.schema.arguments[1:]]
        return names, len(names)
    except (AttributeError, RuntimeError):
        kinds = {name: p.kind for name, p in inspect.signature(module.forward).parameters.items()
                 if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        return list(kinds), sum(kind is not inspect.Parameter.KEYWORD_ONLY for kind in kinds.values())


def _shown(module, names):
    return f"{type(module).__name__}.forward({', '.join(names)})"

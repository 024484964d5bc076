"""Places in a checkpoint's content: dotted keys, wildcards, list indices, prefixes, and the script's arguments."""

from fnmatch import fnmatchcase
from itertools import islice

import torch

from fmdiag.checkpoints.candidates import state_of
from fmdiag.checkpoints.fitting import under
from fmdiag.errors import FmdiagError

DEPTH, MOST = 8, 10_000  # of dicts in dicts, and of places that a wildcard is compared with


def look_up(content, key):
    """Return the value at a dotted key, the content itself for the empty key, or None.

    A key of the file may have points of its own; a number chooses from a list; what remains of the key may be the
    beginning of the names in a state dict.
    """
    if key == "":
        return content
    if isinstance(content, list | tuple):
        first, _, rest = key.partition(".")
        return look_up(content[int(first)], rest) if first.isdigit() and int(first) < len(content) else None
    if not isinstance(content, dict):
        return None
    for name in sorted((str(name) for name in content if key == str(name) or key.startswith(f"{name}.")), key=len,
                       reverse=True):
        inner = next(value for other, value in content.items() if str(other) == name)
        if (found := look_up(inner, key[len(name) + 1:])) is not None:
            return found
    return under(content, f"{key}.") or None


def arguments_of(content):
    """Return the training script's arguments that a file keeps, a dict; empty where it keeps none."""
    for key in ("args", "hyper_parameters", "hparams", "config", "cfg"):
        found = content.get(key) if isinstance(content, dict) else None
        found = vars(found) if hasattr(found, "__dict__") else found
        if isinstance(found, dict) and found:
            return found
    return {}


def is_state(value):
    """Return whether a value is a dict of tensors."""
    return isinstance(value, dict) and bool(value) and all(isinstance(w, torch.Tensor) for w in value.values())


def outline(content):
    """Return in a few words what a loaded file is, for messages."""
    if isinstance(content, dict):
        keys = [str(key) for key in list(content)[:4]]
        return f"a dict with keys {', '.join(keys)}{', ...' if len(content) > len(keys) else ''}"
    if isinstance(content, list | tuple):
        kinds = sorted({type(part).__name__ for part in content[:100]})
        return f"a {type(content).__name__} of {len(content)} ({', '.join(kinds[:3]) or 'nothing'})"
    return f"a {type(content).__name__}"


def matching(content, pattern):
    """Return the dotted keys that a pattern with ``*`` or ``?`` fits, those inside of another one left out.

    Parameters
    ----------
    content : object
        Of a loaded file.
    pattern : str
        E.g. ``"callbacks.EMA*.ema_state_dict"``; a star stands for points too.
    """
    found = []
    for key in islice(_keys(content, "", DEPTH, set()), MOST):
        if fnmatchcase(key, pattern) and not any(key.startswith(f"{outer}.") for outer in found):
            found.append(key)
    return found


def with_prefix(content, prefix, file):
    """Return the content with the names of each state dict in it that begin with a prefix, which is taken off.

    Raises
    ------
    FmdiagError
        If no name begins so.
    """
    prefix = prefix.rstrip(".") + "."
    selected = _selected(content, prefix, DEPTH, set())
    if not selected:
        starts = list(dict.fromkeys(_starts(content, DEPTH, set())))
        raise FmdiagError(f"{file} has no tensor whose name begins with prefix {prefix!r}: its names begin with "
                          f"{', '.join(starts[:6])}{', ...' if len(starts) > 6 else ''}")
    return selected


def _keys(value, key, depth, seen):
    """Yield the dotted keys of all dicts and lists in a content, outer ones first."""
    if not depth or id(value) in seen or not isinstance(value, dict | list | tuple):
        return
    seen.add(id(value))
    inner = [(f"{key}.{name}" if key else str(name), part)
             for name, part in (value.items() if isinstance(value, dict) else enumerate(value))
             if isinstance(part, dict | list | tuple)]
    yield from (name for name, _ in inner)
    for name, part in inner:
        yield from _keys(part, name, depth - 1, seen)


def _selected(value, prefix, depth, seen):
    """Return a content's dicts of tensors under a prefix, and the values beside them that hold no tensors."""
    found = state_of(value)
    if found is not None:
        return under(found[0], prefix) or None
    if not depth or id(value) in seen or not isinstance(value, dict | list | tuple):
        return None
    seen.add(id(value))
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    kept = {str(name): inner for name, part in parts if (inner := _selected(part, prefix, depth - 1, seen))}
    beside = {name: part for name, part in value.items() if not isinstance(part, dict | list | tuple | torch.Tensor)
              } if isinstance(value, dict) else {}
    return {**beside, **kept} if kept else None


def _starts(value, depth, seen):
    """Yield the first parts of the names of tensors in a content."""
    found = state_of(value)
    if found is not None:
        yield from (name.partition(".")[0] for name in found[0])
    elif depth and id(value) not in seen and isinstance(value, dict | list | tuple):
        seen.add(id(value))
        for part in value.values() if isinstance(value, dict) else value:
            yield from _starts(part, depth - 1, seen)

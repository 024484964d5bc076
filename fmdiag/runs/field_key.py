"""Key of a field in memory: weights, code and the values that a network or a function refers to.

What cannot be told from another by its content is given a key that no other field ever has: it is measured again, and
never mistaken for another one.
"""

import types
import uuid
from pathlib import Path

import torch

from fmdiag.files.hashing import text_sha256

KNOWN = ("builtins", "math", "torch", "numpy")  # packages whose versions, not code, are part of a key
DEEPEST = 4  # functions that call functions


class Unknown(Exception):
    """Raised where a value cannot be told from another by its content."""


def field_key(field, plain):
    """Return what tells a field from another; `plain` turns values into text, by their content.

    Parameters
    ----------
    field : callable
        A network, a function, or an object with a ``fingerprint``.
    plain : callable
        ``plain(value) -> text``; raises TypeError where it knows no text.
    """
    try:
        return _of(field, plain, 0)
    except (Unknown, TypeError, ValueError, RecursionError):
        return f"{type(field).__qualname__} {uuid.uuid4().hex}"


def _of(value, plain, depth):
    if depth > DEEPEST:
        raise Unknown
    if isinstance(value, torch.nn.Module):
        return _network(value, plain, depth)
    if isinstance(value, types.FunctionType):
        return _function(value, plain, depth)
    if isinstance(value, types.ModuleType):
        return _known(value.__name__, value.__name__)
    if isinstance(value, type | types.BuiltinFunctionType):
        return _known(value.__module__ or "builtins", value.__qualname__)
    described = getattr(value, "fingerprint", None)
    return plain(value) if described is None else f"{type(value).__qualname__} {described}"


def _known(package, name):
    if package.partition(".")[0] not in KNOWN:
        raise Unknown
    return name


def _network(network, plain, depth):
    """Return weights, and of every layer its class, its own code where no file holds it, and its plain attributes."""
    parts = []
    for name, layer in network.named_modules():
        kind = type(layer)
        # Under "training" alone nothing changes: a field is asked in evaluation mode.
        own = {key: text for key, value in vars(layer).items()
               if key != "training" and key[0] != "_" and (text := _text(value, plain)) is not None}
        written = [_function(function, plain, depth + 1) for base in kind.__mro__ if _in_memory(base)
                   for function in vars(base).values() if isinstance(function, types.FunctionType)]
        parts.append([name, kind.__qualname__, own, written])
    return [plain({name: tensor.detach() for name, tensor in network.state_dict().items()}), parts]


def _in_memory(kind):
    """Return whether a class was written in a notebook or at the prompt, where no file tells of a change."""
    functions = [one for one in vars(kind).values() if isinstance(one, types.FunctionType)]
    return any(not Path(one.__code__.co_filename).is_file() for one in functions)


def _text(value, plain):
    try:
        return plain(value)
    except TypeError:
        return None


def _function(function, plain, depth):
    names = {name: function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__}
    free = function.__code__.co_freevars
    cells = dict(zip(free, (cell.cell_contents for cell in function.__closure__ or ()), strict=True))
    around = {name: _of(value, plain, depth + 1) for name, value in sorted({**names, **cells}.items())
              if value is not function and name != "__class__"}
    return [_code(function.__code__), plain(function.__defaults__), plain(function.__kwdefaults__), around]


def _names(code):
    """Return the names that code, and the functions written in it, look up."""
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return set(code.co_names).union(*(_names(one) for one in inner))


def _code(code):
    constants = [_code(one) if isinstance(one, types.CodeType) else repr(one) for one in code.co_consts]
    return text_sha256(repr([code.co_code, code.co_names, constants]))

"""Torch modules that a callable uses: found in it, its closure, arguments, attributes and globals.

A velocity field is often a lambda around a network, a bound method, a partial or an object: the network must be asked
in evaluation mode whatever holds it. Nothing is called and no property is read: only what lies in plain sight counts.
"""

import functools
import types
from collections import deque
from collections.abc import Mapping

import numpy as np
import torch

DEEPEST = 6      # steps from the callable to a module
MOST = 5000      # things looked at
LEAVES = (torch.Tensor, np.ndarray, str, bytes, int, float, complex, type(None), type, types.ModuleType)


def held_modules(field):
    """Return the torch modules that a callable holds, each with its submodules and each once.

    Parameters
    ----------
    field : callable
        A module, function, bound method, partial, or object with ``__call__``.

    Returns
    -------
    list of torch.nn.Module

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2))
    >>> len(held_modules(lambda x, t: net(x)))          # the container and the layer
    2
    """
    found, seen, queue = {}, set(), deque([(field, 0)])
    while queue and len(seen) < MOST:
        thing, depth = queue.popleft()
        if id(thing) in seen or isinstance(thing, LEAVES):
            continue
        seen.add(id(thing))
        if isinstance(thing, torch.nn.Module):
            found |= {id(module): module for module in thing.modules()}
        if depth < DEEPEST:
            queue.extend((part, depth + 1) for part in _parts(thing))
    return list(found.values())


def _parts(thing):
    """Return what one thing refers to."""
    if isinstance(thing, functools.partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if isinstance(thing, types.MethodType):
        return [thing.__self__, thing.__func__]
    if isinstance(thing, types.FunctionType):
        return _parts_of_function(thing)
    if isinstance(thing, Mapping):
        return list(thing.values())[:MOST] if isinstance(thing, dict) else []
    if isinstance(thing, (list, tuple, set, frozenset)):
        return list(thing)[:MOST]
    slots = [getattr(thing, name, None) for name in getattr(type(thing), "__slots__", ())]
    return [*getattr(thing, "__dict__", {}).values(), *slots, type(thing).__call__ if callable(thing) else None]


def _parts_of_function(function):
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:   # named, but not bound yet
            continue
    used = [function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__]
    return [*cells, *used, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(),
            *vars(function).values()]


def _names(code):
    """Return the global names that a function's code and the functions within it use."""
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return [*code.co_names, *(name for part in inner for name in _names(part))]

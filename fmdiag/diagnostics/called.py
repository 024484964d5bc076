"""Calls from Python: what a diagnostic's function is given is checked as its card says, as the command line does."""

import functools
import numbers
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

import torch

from fmdiag.devices import choose_device
from fmdiag.diagnostics.diagnostic import DIAGNOSTICS
from fmdiag.diagnostics.parameters import COMMON, specs, valid

F = TypeVar("F", bound=Callable[..., Any])
WORDS = ("str", "path")


def by_card(function: F) -> F:
    """Return the function of ``fmdiag.diagnostics.NAME.measure`` that checks what the parameters of NAME's card name.

    A single number or word stands for a sequence of one. Where the card has a word, as the name of a feature, other
    objects than words pass as they are.

    Raises
    ------
    FmdiagError
        As `fmdiag.diagnostics.parameters.checked` does, before anything is computed.
    """
    name = function.__module__.split(".")[-2].replace("_", "-")

    @functools.wraps(function)
    def call(*arguments, **named):
        known = COMMON | {key: spec for key, (spec, _) in specs(DIAGNOSTICS[name].parameters).items()}
        for key in named.keys() & known.keys():
            named[key] = _checked(f"{name}: {key}", named[key], known[key])
        if "device" in named:
            named["device"] = choose_device(named["device"])
        return function(*arguments, **named)

    return cast(F, call)


def _checked(name, value, spec):
    if isinstance(value, torch.Tensor) and spec.kind != "data":
        value = value.tolist()
    if spec.kind not in WORDS:
        return valid(name, value, replace(spec, many=False))
    words = value if isinstance(value, list | tuple) else [value]
    return valid(name, value, spec) if all(isinstance(one, str | numbers.Number) for one in words) else value

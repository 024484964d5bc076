"""Diagnostics of others: read from a file, and named with file and line where they fail."""

import importlib.util
import sys
import traceback
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path

from fmdiag.devices import is_of_the_machine
from fmdiag.diagnostics import DIAGNOSTICS, Diagnostic, register
from fmdiag.errors import FmdiagError
from fmdiag.registry import foreign_place
from fmdiag.results import Result


def load_diagnostics(file):
    """Run a Python file of the user's and register every Diagnostic in it; return their names.

    Raises
    ------
    FmdiagError
        If the file is missing, fails, or holds no Diagnostic.
    """
    file = Path(file)
    if not file.is_file():
        raise FmdiagError(f"--diagnostic {file}: no such file; give a Python file with a fmdiag.Diagnostic in it")
    name = f"fmdiag_user_{file.stem}"
    loader = SourceFileLoader(name, str(file))
    module = importlib.util.module_from_spec(ModuleSpec(name, loader, origin=str(file)))
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except Exception as error:
        raise FmdiagError(f"--diagnostic {file} fails {_place(error, file)}({type(error).__name__}: {error}): mend it, "
                          "or leave it out") from error
    cards = [value for value in vars(module).values() if isinstance(value, Diagnostic)]
    if not cards:
        raise FmdiagError(f"--diagnostic {file} holds no fmdiag.Diagnostic: define one at its top level")
    return [card.name for card in cards if DIAGNOSTICS.get(card.name) is card or register(card)]


def measured(card, context, parameters):
    """Return the Result of a card; an error of somebody else's code names its file and line.

    Raises
    ------
    FmdiagError
        If the code fails or returns something else.
    """
    try:
        result = card.measured(context, parameters)
    except Exception as error:
        place = foreign_place(error, "_called")
        if isinstance(error, FmdiagError) or place is None or is_of_the_machine(error):
            raise
        raise FmdiagError(f"diagnostic {card.name!r} fails in {place} ({type(error).__name__}: {error}): mend it, or "
                          "leave it out; what else was measured is kept") from error
    if not isinstance(result, Result) or result.name != card.name:
        raise FmdiagError(f"diagnostic {card.name!r} must return a fmdiag.Result of its own name, got {result!r:.80}")
    return result


def _place(error, file):
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file]
    return f"in line {lines[-1]} " if lines else ""

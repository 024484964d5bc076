"""The network of a model card's factory: imported with the card's folder in reach, and only while it runs."""

import contextlib
import importlib
import importlib.util
import sys
from pathlib import Path

from fmdiag.checkpoints.factory_trust import INSTALLED, check_made_by, find_factory, is_network_class
from fmdiag.errors import FmdiagError


def build_from_factory(choices):
    """Return the module that the card's factory makes: ``package.module:name`` or ``file.py:name``.

    While it runs, the folder of its file, the card's and the working folder can be imported from, in this order; what
    was imported from them is forgotten afterwards, so that two cards do not meet each other's modules.

    Raises
    ------
    FmdiagError
        If it cannot be imported or called; the user's own error is quoted. If it is a stranger's and not trusted, see
        `factory_trust`.
    """
    place, _, name = choices.factory.rpartition(":")
    if not place:
        raise FmdiagError(f"factory {choices.factory!r}: give package.module:name or file.py:name")
    folders, module = _place(place, Path(choices.folder))
    factory = find_factory(choices, module, folders)
    if not factory.is_own and factory.origin is not None:
        factory.check(choices.trust_code)
    try:
        with _importable(factory.reach):
            make = getattr(importlib.import_module(module), name)
            if not factory.is_own and factory.origin is None and not is_network_class(make):
                factory.check(choices.trust_code)
            check_made_by(make, choices.factory)
            return make(**choices.arguments)
    except FmdiagError:
        raise
    except Exception as error:
        raise FmdiagError(f"factory {choices.factory!r} failed: {type(error).__name__}: "
                          f"{' '.join(str(error).split())}{_hint(error, folders)}; check factory and [arguments] "
                          "in the model card") from error


def factory_facts(choices):
    """Return what descriptions record of a factory that had to be trusted; empty for none and for the user's own."""
    if choices.factory is None:
        return {}
    folders, module = _place(choices.factory.rpartition(":")[0], Path(choices.folder))
    return find_factory(choices, module, folders).facts()


def _place(place, card_folder):
    """Return (folders to import from, name of the module); a file inside a package is imported as a part of it."""
    around = [card_folder.resolve(), Path.cwd()]
    if not place.endswith(".py"):
        return around, place
    file = (card_folder / Path(place).expanduser()).resolve()
    parts, folder = [file.stem], file.parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        parts, folder = [folder.name, *parts], folder.parent
    return list(dict.fromkeys([folder, *around])), ".".join(parts)


@contextlib.contextmanager
def _importable(folders):
    path, modules, silent = list(sys.path), dict(sys.modules), sys.dont_write_bytecode
    for name in _shadowing(folders):
        del sys.modules[name]
    sys.path[:0] = [str(folder) for folder in folders]
    importlib.invalidate_caches()
    sys.dont_write_bytecode = True  # the folder is the user's
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, silent
        for name in [name for name, module in sys.modules.items() if name not in modules and _within(module, folders)]:
            del sys.modules[name]
        sys.modules.update(modules)


def _shadowing(folders):
    """Return the names of loaded modules that the first folder has too, and their parts: its own are wanted.

    Installed packages and Python's own modules stay: they cannot be loaded twice.
    """
    names = {path.stem for first in folders[:1] for path in first.glob("*.py")} | {
        path.parent.name for first in folders[:1] for path in first.glob("*/__init__.py")}
    loaded = {name for name in names & set(sys.modules) if not _is_installed(sys.modules[name])}
    return [name for name in sys.modules if name.partition(".")[0] in loaded]


def _is_installed(module):
    file = getattr(module, "__file__", None)
    library = Path(contextlib.__file__).parent
    return file is None or any(part in INSTALLED for part in Path(file).parts) or Path(file).is_relative_to(library)


def _within(module, folders):
    """Return whether a module comes from one of the folders, and not from an environment that lies in it."""
    places = [getattr(module, "__file__", None), *list(getattr(module, "__path__", ()))[:1]]
    files = [Path(place) for place in places if isinstance(place, str)]
    return any(file.is_relative_to(folder) and not any(part in INSTALLED for part in file.relative_to(folder).parts)
               for file in files for folder in folders)


def _hint(error, folders):
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return ""
    places = " or ".join(dict.fromkeys(map(str, folders)))
    return f" (looked for in {places}, and among installed packages)"

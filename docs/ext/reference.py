"""API reference: a page per public name, and a page per package with the names of its `__all__`.

Modules that have no package to speak for them are documented as they are: every `measure` of a diagnostic, every
metric, and those of MODULES.
"""

import importlib
import inspect
import pkgutil

import fmdiag

# Packages that only serve others: files, how figures are drawn, shares of ranks.
INTERNAL = ("fmdiag.cli", "fmdiag.data", "fmdiag.files", "fmdiag.figures", "fmdiag.ranks")
# What scripts call beside `fmdiag.Run`: studies, training folders, planted canaries, comparisons.
MODULES = ("fmdiag.studies.study", "fmdiag.runs.training", "fmdiag.runs.canaries", "fmdiag.report.comparison",
           "fmdiag.diagnostics.context", "fmdiag.registry", "fmdiag.errors")
INTRODUCTION = """API reference
=============

``import fmdiag`` gives these names. A diagnostic is a method of :py:obj:`fmdiag.Run` too, and there it takes the
parameters that its page in the :doc:`gallery </gallery/index>` lists.

"""


def pages():
    """Return {path: text} of the reference."""
    names = [name for name in fmdiag.__all__ if not name.startswith("_")]
    texts = {f"api/fmdiag.{name}.rst": _heading(name, "=") + _entry(f"fmdiag.{name}") for name in names}
    packed = {name: _package_page(name) for name in packages()}
    packed |= {name: _heading(name, "=") + f".. automodule:: {name}\n   :members:\n" for name in modules()}
    index = INTRODUCTION + ".. autosummary::\n\n" + "".join(f"   fmdiag.{name}\n" for name in names)
    for title, found in (("Names", [f"fmdiag.{name}" for name in names]), ("Packages and modules", sorted(packed))):
        index += "\n" + _heading(title, "-") + ".. toctree::\n   :maxdepth: 1\n\n" + "".join(
            f"   {name}\n" for name in found)
    return texts | {f"api/{name}.rst": text for name, text in packed.items()} | {"api/index.rst": index}


def packages():
    """Return the packages that say in `__all__` what they offer."""
    found = [one.name for one in pkgutil.walk_packages(fmdiag.__path__, "fmdiag.") if one.ispkg]
    return [name for name in found if not name.startswith(INTERNAL)
            and getattr(importlib.import_module(name), "__all__", ())]


def modules():
    """Return the modules that are documented beside packages."""
    found = [one.name for one in pkgutil.walk_packages(fmdiag.__path__, "fmdiag.") if not one.ispkg]
    return [*MODULES, *(name for name in found if name.startswith("fmdiag.metrics.")
                        or name.startswith("fmdiag.diagnostics.") and name.endswith(".measure"))]


def _package_page(name):
    package, public = importlib.import_module(name), {id(getattr(fmdiag, one)): one for one in fmdiag.__all__}
    text = _heading(name, "=") + f".. automodule:: {name}\n   :no-members:\n\n"
    for one in package.__all__:
        value = getattr(package, one)
        if id(value) in public:
            text += f":py:obj:`fmdiag.{public[id(value)]}`\n\n"
        elif inspect.isclass(value) or inspect.isfunction(value):
            text += _entry(f"{name}.{one}") + "\n"
    return text


def _entry(name):
    module, _, last = name.rpartition(".")
    value = getattr(importlib.import_module(module), last)
    kind = "function" if not inspect.isclass(value) else "exception" if issubclass(value, BaseException) else "class"
    return f".. auto{kind}:: {name}\n" + ("   :members:\n" if kind == "class" else "")


def _heading(text, line):
    return f"{text}\n{line * len(text)}\n\n"

"""Public names resolve, each shows an example, and the examples are true."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import fmdiag

MODULES = [module.name for module in pkgutil.walk_packages(fmdiag.__path__, "fmdiag.") if ".cli" not in module.name]


@pytest.mark.parametrize("name", fmdiag.__all__)
def test_public_names_resolve(name):
    assert getattr(fmdiag, name) is not None
    assert name in dir(fmdiag)


def test_other_names_do_not():
    with pytest.raises(AttributeError, match="no attribute 'alignmant'"):
        _ = fmdiag.alignmant


def test_the_stub_has_the_same_names_from_the_same_modules():
    folder = Path(fmdiag.__file__).parent
    tree = ast.parse((folder / "__init__.pyi").read_text(encoding="utf-8"))
    found = {alias.asname: (node.module, alias.name) for node in tree.body if isinstance(node, ast.ImportFrom)
             for alias in node.names}
    places = {name: place.partition(":") for name, place in fmdiag._PUBLIC.items()}
    assert found == {name: (module, attribute or name) for name, (module, _, attribute) in places.items()}
    listed = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    assert listed == fmdiag.__all__ and (folder / "py.typed").is_file()


def test_functions_stay_functions_whatever_modules_are_imported():
    code = ("import fmdiag, fmdiag.errors, fmdiag.diagnostics.error.measure, fmdiag.diagnostics.hybrid\n"
            "assert callable(fmdiag.error) and fmdiag.error is fmdiag.approximation_error and callable(fmdiag.hybrid)")
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", [name for name in fmdiag.__all__ if inspect.isfunction(getattr(fmdiag, name))])
def test_public_functions_have_an_example(name):
    assert ">>> " in getattr(fmdiag, name).__doc__


@pytest.mark.parametrize("module", MODULES)
def test_examples_are_true(module):
    results = doctest.testmod(importlib.import_module(module))
    assert results.failed == 0

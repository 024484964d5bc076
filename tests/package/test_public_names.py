"""Public names resolve, each shows an example, and the examples are true."""

import doctest
import importlib
import inspect
import pkgutil

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


@pytest.mark.parametrize("name", [name for name in fmdiag.__all__ if inspect.isfunction(getattr(fmdiag, name))])
def test_public_functions_have_an_example(name):
    assert ">>> " in getattr(fmdiag, name).__doc__


@pytest.mark.parametrize("module", MODULES)
def test_examples_are_true(module):
    results = doctest.testmod(importlib.import_module(module))
    assert results.failed == 0

"""Errors have other errors as their causes, and loops end: read from the source, every module of it."""

import ast
from pathlib import Path

import pytest

from fmdiag.errors import FmdiagError, causes, names_one_of

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("fmdiag/**/*.py"), *ROOT.glob("cli/**/*.py")])
# Loops whose end no condition or counter shows, by file and function, and why they end.
ENDING = {
    ("fmdiag/errors.py", "causes"): "each error once",
    ("fmdiag/datasets/memory_mapped.py", "_root"): "an array is made after its base",
    ("fmdiag/posterior/curve/sparse.py", "_heavy"): "thresholds fall to the lowest, where nothing is over",
    ("fmdiag/ranks/group.py", "_wait"): "rank 0 is done some time; torchrun ends this process if that one ends",
    ("fmdiag/memory.py", "with_less"): "the amount is halved down to the least",
    ("fmdiag/studies/run.py", "run_parts"): "others are at work on what is left; a dead process lets go of its part",
    ("cli/measuring.py", "_free"): "a generator, of which the first free name is taken",
    ("fmdiag/ranks/torchrun.py", "one_first"): "torchrun ends all ranks when the first one fails",
    ("fmdiag/figures/ahead.py", "drawn"): "after PATIENCE seconds at the latest",
    ("fmdiag/monitoring/watch.py", "_go_on"): "follows a training run until it is stopped, or --until and --idle say",
}


def raised_again(tree):
    """Yield the lines of `raise X from Y` where X is not a new error: it may be Y, and then Y is its own cause."""
    given_back = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and _returns_argument(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and not (node.cause is None or _is_none(node.cause)):
            made = isinstance(node.exc, ast.Call) and getattr(node.exc.func, "id", "") not in given_back
            if not made:
                yield node.lineno


def _is_none(node):
    return isinstance(node, ast.Constant) and node.value is None


def _returns_argument(function):
    arguments = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]
    return any(isinstance(part, ast.Name) and part.id in arguments for value in returned
               for part in ([value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]))


def endless(tree):
    """Yield (function, line) of loops over a chain of attributes, `while True`, that sleep, or that count for ever."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if (isinstance(node, ast.While) and (_is_constant(node.test) or _follows(node) or _sleeps(node))) or (
                        isinstance(node, ast.For) and _counts(node.iter)):
                    yield function.name, node.lineno


def _is_constant(node):
    return isinstance(node, ast.Constant)


def _follows(loop):
    """Whether a name that the condition asks about becomes one of its own attributes, as error.__cause__ does."""
    asked = {node.id for node in ast.walk(loop.test) if isinstance(node, ast.Name)}
    for node in ast.walk(loop):
        if isinstance(node, ast.Assign | ast.NamedExpr):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and target.id in asked and any(
                        isinstance(part, ast.Attribute) and getattr(part.value, "id", None) == target.id
                        for part in ast.walk(node.value)):
                    return True
    return False


def _sleeps(loop):
    return any(isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "sleep" for node in ast.walk(loop))


def _counts(iterable):
    return isinstance(iterable, ast.Call) and getattr(iterable.func, "attr", getattr(iterable.func, "id", "")) in (
        "count", "cycle", "repeat")


def test_fault_2_1_no_error_is_raised_from_itself():
    found = [path for path in FILES if list(raised_again(ast.parse(path.read_text())))]
    assert not found, f"{found}: raise a new error, or the old one bare"


def test_fault_2_1_every_loop_has_an_end():
    found = {(str(path.relative_to(ROOT)), name) for path in FILES for name, _ in endless(ast.parse(path.read_text()))}
    assert not found - set(ENDING), "give the loop a condition or a counter, or say in ENDING why it ends"


@pytest.mark.parametrize("line", [
    "raise error from error", "raise error if named else E() from error", "raise (error or E()) from error",
    "other = error\nraise other from error", "def f(e):\n    return e if e else E()\nraise f(error) from error"])
def test_a_cycle_would_be_seen(line):
    assert list(raised_again(ast.parse(line)))


@pytest.mark.parametrize("line", ["raise E(error) from error", "raise error", "raise error from None"])
def test_no_cycle_is_seen_where_there_is_none(line):
    assert not list(raised_again(ast.parse(line)))


@pytest.mark.parametrize("loop", [
    "while error:\n        error = error.__cause__", "while True:\n        pass", "while not path.exists():\n        "
    "path = path.parent", "while busy():\n        time.sleep(1)", "for k in itertools.count():\n        pass",
    "while e := e.__context__:\n        pass"])
def test_an_endless_loop_would_be_seen(loop):
    assert list(endless(ast.parse(f"def f():\n    {loop}")))


def test_causes_end_where_errors_cause_one_another():
    one, two, three = (FmdiagError(str(k)) for k in range(3))
    one.__cause__, two.__cause__, three.__cause__ = two, three, two
    assert list(causes(one)) == [one, two, three]
    one.__cause__ = one
    assert list(causes(one)) == [one] and list(causes(None)) == []


def test_a_file_is_named_as_it_is_printed():
    assert names_one_of(FmdiagError("a\nb.pt is damaged"), None, "a\nb.pt")
    assert not names_one_of(FmdiagError("damaged"), "b.pt", None)

"""The API reference as Markdown, from the numpydoc docstrings: the public names, and every package."""

import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import fmdiag

HERE = Path(__file__).parent / "api"
FIELDS = ("Parameters", "Returns", "Yields", "Raises", "Attributes")
# Packages beside the public names, each a page: what other people's scripts may build on.
PACKAGES = ("datasets", "posterior", "posterior.curve", "posterior.walk", "fields", "closed_forms", "checkpoints",
            "training", "sampling", "neighbors", "features", "stats", "diagnostics", "metrics", "runs", "studies",
            "results", "paths", "report")


def pages():
    """Return {file name: text}: README.md with the public names, and a page per package."""
    found = {f"{name}.md": _package_page(name) for name in PACKAGES if _exists(name)}
    return {"README.md": _public_page(found)} | found


def write():
    """Write the pages into docs/api/."""
    HERE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")


def _exists(name):
    return importlib.util.find_spec(f"fmdiag.{name}") is not None


def _public_page(packages):
    lines = ["# API reference", "", "`import fmdiag` gives the names below. Packages: " + ", ".join(
        f"[{name.removesuffix('.md')}]({name})" for name in packages) + ".", ""]
    for name in fmdiag.__all__:
        value = getattr(fmdiag, name)
        if not name.startswith("_"):
            lines += _entry(f"fmdiag.{name}", value)
    return "\n".join(lines)


def _package_page(name):
    package = importlib.import_module(f"fmdiag.{name}")
    lines = [f"# fmdiag.{name}", "", inspect.getdoc(package) or "", ""]
    for module in _modules(package):
        members = [(key, value) for key, value in vars(module).items() if not key.startswith("_")
                   and getattr(value, "__module__", None) == module.__name__ and inspect.getdoc(value)
                   and (inspect.isfunction(value) or inspect.isclass(value))]
        if members and module is not package:
            lines += [f"## {module.__name__}", "", _escaped((inspect.getdoc(module) or "").split("\n\n")[0]), ""]
        for key, value in members:
            lines += _entry(f"{module.__name__}.{key}", value, level=3)
    return "\n".join(lines)


def _modules(package):
    yield package
    for found in pkgutil.iter_modules(getattr(package, "__path__", ())):
        yield importlib.import_module(f"{package.__name__}.{found.name}")


def _entry(name, value, *, level=2):
    """Return the lines of one function or class: signature, sentences, tables of parameters, examples as code."""
    lines = ["#" * level + f" {name}", "", "```python", f"{name.rpartition('.')[2]}{_signature(value)}", "```", ""]
    return lines + _text(inspect.getdoc(value) or "")


def _signature(value):
    try:
        return re.sub(r"<([\w.]+) object at 0x[0-9a-f]+>|<function <?(\w+)>? at 0x[0-9a-f]+>", r"<\1\2>",
                      str(inspect.signature(value)))
    except (TypeError, ValueError):
        return ""


def _text(docstring):
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", docstring, flags=re.M)
    lines = [_escaped(parts[0].strip()), ""]
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        lines += [f"**{title}**", "", *(_field(body) if title in FIELDS else _prose(body)), ""]
    return lines


def _field(body):
    """Return a list: a name and type in code per unindented line, its indented description after it."""
    lines = []
    for line in body.strip("\n").splitlines():
        if line.startswith(" "):
            lines[-1] += " " + _escaped(line.strip())
        elif line.strip():
            lines.append(f"- `{line.strip()}`:" if line.strip() else "")
    return [line.removesuffix(":") if line.endswith("`:") else line for line in lines]


def _prose(body):
    if ">>>" in body:
        return ["```python", body.strip("\n"), "```"]
    return [_escaped(body.strip())]


def _escaped(text):
    """Return text whose stars, bars and underscores Markdown leaves alone, code in double backticks as code."""
    return re.sub(r"``([^`]+)``", r"`\1`", re.sub(r"(?<!`)([*|])(?!`)", r"\\\1", text))

"""Page of definitions: every metric with its formula, reference and ids, and every id of an audit with its text."""

import importlib
import inspect
import pkgutil
import re
import textwrap

from docs.ext.markdown import escaped, table
from fmdiag import metrics
from fmdiag.diagnostics.audit.schema import DEFINITIONS

INTRODUCTION = """# Definitions of metrics

A number without its definition cannot be compared: several versions of the same metric are in print. So every row of
the table `metrics` names its definition by an id, and so does every value of `audit.json`. An id says the author, the
year and what distinguishes this version from others; `{}` in an id stands for a setting such as k, a part
behind a second `/` for another quantity of the same definition, `-below-` for another threshold than 1/3. From Python:
`fmdiag.metrics.METRICS["kid"].measure(generated, train, test, generator=g)`, arrays of shape (n, dim).
"""


def pages():
    """Return {path: text} of the page."""
    lines = [INTRODUCTION]
    for module in modules():
        lines += _metric(module)
    lines += ["## Ids of an audit", "", "Values and controls of `audit.json`; the document repeats those that it uses.",
              "", *table(("id", "definition"), [[f"`{name}`", escaped(text)] for name, text in DEFINITIONS.items()])]
    return {"made/definitions.md": "\n".join(lines) + "\n"}


def modules():
    """Return the modules of `fmdiag.metrics` that define a metric."""
    found = [importlib.import_module(f"fmdiag.metrics.{one.name}") for one in pkgutil.iter_modules(metrics.__path__)]
    return [module for module in found if ids(module)]


def ids(module):
    """Return the ids of the definitions in a module: its constants that look like ``"kid/binkowski-2018"``."""
    texts = [value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)]
    return list(dict.fromkeys(text for text in texts if re.fullmatch(r"[a-z_]+(-\d+)?/\S+", text)))


def _metric(module):
    name = module.__name__.rpartition(".")[2]
    title, _, rest = inspect.getdoc(module).partition("\n\n")
    lines = [f"(metric-{name})=", f"## {name}", "", _inline(title), ""]
    for paragraph in re.split(r"\n\n+", rest.partition("\nReferences\n")[0].strip("\n")):
        formula = paragraph.startswith("    ")
        lines += ["```text", textwrap.dedent(paragraph), "```", ""] if formula else [_inline(paragraph), ""]
    held_out = "needs held-out examples" if getattr(module, "NEEDS_TEST", False) else "needs no held-out examples"
    lines += [f"- Id: `{one}`" for one in ids(module)]
    return [*lines, f"- Reference: {module.REFERENCE}; {held_out}.", f"- Code: {{py:mod}}`{module.__name__}`.", ""]


def _inline(text):
    """Return a paragraph of a docstring as Markdown: double backticks single, stars escaped outside code."""
    parts = re.split(r"(`[^`]+`)", text.replace("``", "`"))
    return "".join(part if part.startswith("`") else escaped(part) for part in parts)

"""What did a run find, on one page? run.json, tables and figures of a run folder -> a self-contained index.html.

The page needs no network, no server and no file beside it: styles and pictures are inlined, and its content security
policy forbids every request. Text from data (names, paths, commands) is escaped by the template engine.
"""

import json
import re
from functools import cache
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from fmdiag.errors import FmdiagError
from fmdiag.figures import RunData, draw_all
from fmdiag.report.embed import embedded
from fmdiag.report.sections import section
from fmdiag.report.verdict import verdict
from fmdiag.results import remedy, replace_atomically

HEAD_ROWS = 5
SUMMARY_ROWS = 24
HASH = re.compile(r"[0-9a-f]{40,}")
# Shown elsewhere on the page.
BESIDE = ("dataset", "warnings", "origin")
HERE = Path(__file__).parent


def write_report(run_path):
    """Write ``index.html`` into a run folder and return its path.

    Parameters
    ----------
    run_path : path
        Run folder; figures that are missing are drawn first.

    Raises
    ------
    FmdiagError
        If the folder is not a run folder or cannot be written to.
    """
    run = RunData(run_path)
    if not (run.path / "figures" / "captions.json").is_file():
        draw_all(run.path)
    page = _template().render(**page_content(run), style=Markup((HERE / "page.css").read_text(encoding="utf-8")))
    target = run.path / "index.html"

    try:
        replace_atomically(target, lambda temporary: Path(temporary).write_text(page, encoding="utf-8"))
    except OSError as error:
        raise FmdiagError(f"{target}: cannot be written ({error.strerror}); {remedy(error)}") from error
    return target


def page_content(run):
    """Return what the template shows of a run: plain values only, nothing of them marked as safe."""
    document = run.run
    names = [*document.get("diagnostics", {})]
    figures = _figures(run)
    if run.table("loss") is not None and "loss" not in names:
        names.append("loss")
    return {
        "title": f"{document.get('name', 'run')}: {(document.get('dataset') or {}).get('name', 'no data set')}",
        "verdict": verdict(run),
        "dataset": _facts(document.get("dataset")),
        # What the checkpoint says of its data set stands beside it already, and in run.json.
        "checkpoint": _facts({k: v for k, v in (document.get("checkpoint") or {}).items() if k not in BESIDE}),
        "cautions": [*((document.get("checkpoint") or {}).get("warnings") or []), *(document.get("cautions") or [])],
        "limits": document.get("limits") or [],
        "diagnostics": [_diagnostic(run, name, figures) for name in names],
        "tables": sorted(path.name for path in (run.path / "tables").glob("*") if path.is_file()),
        "provenance": json.dumps(document, indent=1, ensure_ascii=False, default=str),
        "run": document,
    }


def _diagnostic(run, name, figures):
    parameters = dict((run.run.get("diagnostics") or {}).get(name) or {})
    command = parameters.pop("command", run.run.get("command", ""))
    return {"name": name, "text": section(name), "command": command, "parameters": _facts(parameters),
            "figures": [figure for figure in figures if f"{figure['name']}_".startswith(f"{name}_")],
            "full": _shown(run.table(f"{name}_table")),
            "head": _shown(run.table(name), HEAD_ROWS), "summary": _shown(_thinned(run.summary(name)))}


def _figures(run):
    """Return the drawn figures in the registry's order, with pictures, captions and alternative texts."""
    folder = run.path / "figures"
    path = folder / "captions.json"
    texts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    files = {name: folder / f"{name}.png" for name in texts if (folder / f"{name}.png").is_file()}
    return [{"name": name, **texts[name], **image} for name, image in embedded(files).items()]


def _facts(mapping):
    """Return (key, text) pairs of a dict: shapes as 1 × 8 × 8, hashes cut, nested dicts flat; run.json has all."""
    return [(key, _fact(key, value)) for key, value in (mapping or {}).items() if value is not None]


def _fact(key, value):
    if key == "shape":
        return " × ".join(str(side) for side in value)
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_fact(name, inner)}" for name, inner in value.items() if inner is not None)
    if isinstance(value, bool | float):
        return _text(value)
    return HASH.sub(lambda found: found[0][:12] + "…", str(value))


def _thinned(table):
    """Return about SUMMARY_ROWS rows of a summary, evenly spread within each quantity, first and last included."""
    if table.empty:
        return table
    most = max(3, SUMMARY_ROWS // table["quantity"].nunique())
    parts = [rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]
             for _, rows in table.groupby("quantity", sort=False)]
    return pd.concat(parts).drop(columns="diagnostic")


def _shown(table, n_rows=None):
    """Return the first rows of a table (default: all) as texts, rounded for display only; None without a table."""
    if table is None or table.empty:
        return None
    head = table.iloc[:n_rows].dropna(axis=1, how="all")
    rows = [[_text(value) for value in row] for row in head.itertuples(index=False)]
    return {"columns": [str(column) for column in head.columns], "rows": rows, "n": len(table)}


def _text(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return str(value)


@cache
def _template():
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("page.html.j2")

"""Page of a run: run.json, tables and figures of a run folder as a self-contained index.html.

The page needs no network, no server and no file beside it: styles, script and pictures are inlined, and its content
security policy forbids every request and every script but ours, which it names by hash. Text from data (names, paths,
commands) is escaped by the template engine, numbers for the script by `as_script`.
"""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from fmdiag.errors import FmdiagError
from fmdiag.figures import RunData, draw_all
from fmdiag.figures.cards import card
from fmdiag.files.documents import read_document
from fmdiag.report.chapters import GLOSSARY, chaptered
from fmdiag.report.embed import embedded
from fmdiag.report.exploring import as_script, exploring
from fmdiag.report.facts import excerpt, facts
from fmdiag.report.opening import opening
from fmdiag.report.tables import difference_tables, head_table, runs_table, summary_tables
from fmdiag.report.verdict import verdict
from fmdiag.results import note_files, remedy, replace_atomically
from fmdiag.results.schema import Captions, Readings

# Shown elsewhere on the page.
BESIDE = ("dataset", "warnings", "origin")
HERE = Path(__file__).parent
SCRIPTS = ("theme", "tables", "figures", "pictures", "tau", "weights", "gallery", "start")
# Where each exploration stands: part of the data -> diagnostic.
EXPLORED = {"hybrid": "hybrid", "memorization": "gallery", "provenance": "provenance"}


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
    page = write_page(run.path / "index.html", "page.html.j2", page_content(run))
    note_files(run.path, [page])
    return page


def write_page(target, template, content):
    """Render `content`, whose "data" is for the script, with our style and script; put it at `target` atomically."""
    style, script = _asset("page.css"), "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    script = '(() => {\n"use strict";\n' + script + "})();\n"
    page = _environment().get_template(template).render(
        **content | {"data": Markup(as_script(content["data"])), "style": Markup(style), "script": Markup(script),
                     "policy": _policy(style, script)})
    try:
        replace_atomically(target, lambda temporary: Path(temporary).write_text(
            page, encoding="utf-8", errors="backslashreplace"))
    except OSError as error:
        raise FmdiagError(f"{target}: cannot be written ({error.strerror}); {remedy(error)}") from error
    return target


def page_content(run):
    """Return what the template shows of a run: plain values only, nothing of them marked as safe."""
    document = run.run
    names = [*document.get("diagnostics", {})]
    if run.table("loss") is not None and "loss" not in names:
        names.append("loss")
    figures, explored = _figures(run), exploring(run)
    diagnostics = [_diagnostic(run, name, figures, explored) for name in names]
    further, shown = _further(run, names), [figure for part in diagnostics for figure in part["figures"]]
    unclaimed = [figure for figure in figures if figure not in shown]
    always = () if document.get("runs") else ("data", "model")
    chapters = [one for one in chaptered(diagnostics) if one[2] or one[0] in always]
    return {
        "title": _title(document),
        "verdict": verdict(run),
        "dataset": facts(document.get("dataset")),
        # What the checkpoint says of its data set stands beside it already, and in run.json.
        "checkpoint": facts({k: v for k, v in (document.get("checkpoint") or {}).items() if k not in BESIDE}),
        "cautions": [*((document.get("checkpoint") or {}).get("warnings") or []), *(document.get("cautions") or [])],
        "limits": document.get("limits") or [],
        "runs": runs_table(document.get("runs")),
        "chapters": chapters,
        "opening": opening(run),
        "glossary": GLOSSARY,
        "excerpt": excerpt(document),
        "further": further,
        "unclaimed": unclaimed,
        "links": _links(chapters, bool(further or unclaimed), document.get("runs")),
        "tables": sorted(path.name for path in (run.path / "tables").glob("*") if path.is_file()),
        "provenance": json.dumps(document, indent=1, ensure_ascii=False, default=str),
        "run": document,
        "data": explored | {"figures": {figure["name"]: figure["readings"] for figure in figures}},
    }


def _links(chapters, further, runs):
    """Return (target, label, level) of every section, those of a chapter one level below it."""
    inner = [link for name, title, parts in chapters
             for link in [(f"{name}-chapter", title, 1), *((part["name"], part["label"], 2) for part in parts)]]
    return [("verdict", "Verdict", 1), *inner, *([("further", "Further results", 1)] if further else []),
            *([] if runs else [("limits", "Limits", 1)]), ("glossary", "Terms", 1), ("run", "Provenance of the run", 1)]


def _title(run):
    if run.get("runs"):
        return "Comparison: " + ", ".join(str(one.get("label")) for one in run["runs"])
    return f"{run.get('name', 'run')}: {(run.get('dataset') or {}).get('name', 'no data set')}"


def _diagnostic(run, name, figures, explored):
    parameters = dict((run.run.get("diagnostics") or {}).get(name) or {})
    command, beside = parameters.pop("command", run.run.get("command", "")), parameters.pop("tables", [])
    part = EXPLORED.get(name)
    return {"name": name, "label": card(name).title.partition(":")[0], "text": card(name), "command": command,
            "parameters": facts(parameters), "explored": part if part in explored else None,
            "figures": [figure for figure in figures if f"{figure['name']}_".startswith(f"{name}_")],
            "full": head_table(run.table(f"{name}_table"), f"{name}_table", None),
            "differences": difference_tables(run.table("differences"), name),
            "heads": [table for table in (head_table(run.table(stem), stem) for stem in (name, *beside)) if table],
            "summary": summary_tables(run.summary(name))}


def _further(run, names):
    """Return the first rows of the tables that are no diagnostic's own, such as a sweep beside memorization."""
    beside = [stem for part in (run.run.get("diagnostics") or {}).values() for stem in part.get("tables", [])]
    shown = {*names, *beside, *(f"{name}_table" for name in names), "summary", "differences"}
    stems = sorted(path.stem for path in (run.path / "tables").glob("*.parquet") if path.stem not in shown)
    return [table for table in (head_table(run.table(stem), stem) for stem in stems) if table]


def _figures(run):
    """Return the drawn figures in the registry's order, with pictures, captions, alternative texts and values."""
    folder = run.path / "figures"
    texts, values = _document(folder / "captions.json", Captions), _document(folder / "readings.json", Readings)
    files = {name: folder / f"{name}.png" for name in texts if (folder / f"{name}.png").is_file()}
    return [{"name": name, **texts[name], **image, "readings": values.get(name) or []}
            for name, image in embedded(files).items()]


def _document(path, kind):
    then = "remove it, then draw again with fmdiag figures"
    return read_document(path, kind, finite=True, then=then) if path.is_file() else {}


def _policy(style, script):
    """Return the content security policy: data URIs as pictures, this style and this script, nothing else."""
    hashes = ["'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
              for text in (style, script)]
    return (f"default-src 'none'; img-src data:; style-src {hashes[0]}; script-src {hashes[1]}; base-uri 'none'; "
            "form-action 'none'")


@cache
def _asset(name):
    return (HERE / name).read_text(encoding="utf-8")


@cache
def _environment():
    return jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True,
                              lstrip_blocks=True, undefined=jinja2.StrictUndefined)

"""What a command shows on the terminal or as JSON: the verdict, the headline numbers, and where the run is."""

import json
import math
import shlex
import sys
import textwrap
from pathlib import Path

import click

from fmdiag.files.places import ANYWHERE, is_elsewhere, shown_path

from .echo import echo, echo_json, hidden

MOST_LINES, WIDTH = 14, 100   # on stdout; stderr has one more, which names the folder


def show(run, page, as_json, verbose=False):
    """Print what a Run found; `page` is what `Run.save` returned."""
    from fmdiag.results import load_table
    from fmdiag.results.headline import headline
    from fmdiag.results.short_table import short_table

    summary, record = load_table(page.folder, "summary"), run.record()
    facts, numbers = facts_of(run, record), headline(summary, record)
    if as_json:
        content = page.document or {**facts, "summary": rows_of(summary)}
        echo_json({"run": str(page.folder), **found_as_json(record.get("verdict"), numbers, content)})
    elif verbose:
        echo(verdict_of(page.folder, record))
        echo(short_table(summary))
        for name, text in facts.items():
            _say(name, text)
    else:
        pictures = [f"pictures: {facts['pictures']}"] if isinstance(facts.get("pictures"), str) else []
        echo_found(verdict_of(page.folder, record), numbers, page.folder, facts["cautions"], pictures)
    echo(f"wrote {page.folder}/", err=True)


def verdict_of(folder, record):
    """Return the verdict's sentence; of a run that judges no copies the first that its page says instead."""
    from fmdiag.figures import RunData
    from fmdiag.report.verdict import verdict

    if record.get("verdict"):
        return record["verdict"]["text"] if isinstance(record["verdict"], dict) else record["verdict"]
    found = verdict(RunData(folder))
    return found["details"][0] if found["details"] else found["text"]


def found_as_json(verdict, numbers, details):
    """Return what --json prints: the verdict, one value per headline quantity, and everything else as details."""
    return {"verdict": verdict, "headline": {entry["quantity"]: {key: value for key, value in entry.items()
                                                                 if key != "quantity"} for entry in numbers},
            "details": details}


def rows_of(table):
    """Return the rows of a table as plain values."""
    return json.loads(table.to_json(orient="records"))


def echo_found(verdict, numbers, folder, cautions=(), remarks=()):
    """Print at most 14 lines of at most 100 columns: the verdict first, headline numbers, cautions, where the rest is.

    Parameters
    ----------
    verdict : str
    numbers : list of dict
        As `fmdiag.results.headline.headline` returns them.
    folder : path
        Where the tables are, and the page where there is one.
    cautions, remarks : sequence of str
        What would mislead a reader of the numbers, and what else is to be said: a line each.
    """
    from fmdiag.results.short_table import number_text

    first, last = _clauses(verdict), [*_cautions(cautions), *(_cut(text) for text in remarks), _place(folder)]
    cells = [number_text(*(math.nan if entry[key] is None else entry[key] for key in ("value", "low", "high")))
             for entry in numbers[:MOST_LINES - len(first) - len(last)]]
    width = max(map(len, cells), default=0)
    lines = [_cut(f"  {cell:<{width}}  {entry['words']}") for cell, entry in zip(cells, numbers, strict=False)]
    for line in (*first, *lines, *last):
        echo(line)


def _clauses(text, most=3):
    """Return a sentence's clauses, parted by semicolons, in lines of the terminal, as many as three lines hold."""
    text = " ".join(text.split())
    shown, found = "", textwrap.wrap(text, WIDTH)
    if len(found) <= most:
        return found
    for clause in text.split("; "):
        longer = f"{shown}; {clause}" if shown else clause
        if shown and len(textwrap.wrap(f"{longer}; ...", WIDTH)) > most:
            break
        shown = longer
    found = textwrap.wrap(f"{shown}; ...", WIDTH)
    return found if len(found) <= most else [*found[:most - 1], _cut(" ".join(found[most - 1:]))]


def _cautions(texts, most=3):
    shown = [_cut(f"caution: {text}") for text in texts]
    rest = f"and {len(shown) - most + 1} more cautions: in run.json, on the page and with --verbose"
    return shown if len(shown) <= most else [*shown[:most - 1], rest]


def _cut(text):
    text = " ".join(text.split()) if text[:2] != "  " else text
    return text if len(text) <= WIDTH else f"{text[:WIDTH - 3]}..."


def _place(folder):
    page = Path(folder) / "index.html"
    return f"{f'page: {page}; ' if page.is_file() else ''}tables: {Path(folder) / 'tables'}/"


def facts_of(run, record):
    """Return the facts of a run that a reader should see beside the numbers."""
    hidden = {"decoder", *run.facts} - {"pictures"}
    found = {name: value for result in run.results.values() for name, value in result.facts.items()}
    found |= {name: value for name, value in run.facts.items() if name not in hidden}
    verdict = {"verdict": record["verdict"]} if record.get("verdict") else {}
    return {**verdict, **found, "cautions": run.cautions()}


def _say(name, text):
    if isinstance(text, dict):
        text = [text["text"], *text.get("details", ())] if "text" in text else None
    if name == "cautions":
        for sentence in text:
            echo(f"caution: {sentence}")
    elif isinstance(text, list):
        echo("\n  ".join([f"{name}:", *map(str, text)]))
    elif isinstance(text, str):
        echo(f"{name}: {text}")


def typed_words():
    """Return the words of the command line: the root context of click keeps them."""
    context = click.get_current_context(silent=True)
    words = context.find_root().obj if context else None
    return list(sys.argv[1:] if words is None else words)


def typed_command():
    """Return the command line as it was typed, but for places outside the working folder: of them the name alone."""
    return shlex.join(["fmdiag", *map(_shown_word, typed_words())])


def given_places(words=None):
    """Return what in the command line names a place outside the working folder, or in it by an absolute path."""
    if hidden():
        return ANYWHERE
    words = typed_words() if words is None else words
    return [value for word in words for value in (word, word.partition("=")[2]) if is_elsewhere(value)]


def _shown_word(word):
    option, sign, value = word.partition("=")
    if is_elsewhere(word):
        return shown_path(word)
    return f"{option}={shown_path(value)}" if sign and word.startswith("-") and is_elsewhere(value) else word

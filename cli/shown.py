"""What a command shows: the verdict, the summary as short tables or JSON, and where the run is."""

import json
import shlex
import sys

import click

from fmdiag.files.places import is_elsewhere, shown_path

from .echo import echo, echo_json


def show(run, page, as_json):
    """Print what a Run found; `page` is what `Run.save` returned."""
    from fmdiag.results import load_table
    from fmdiag.results.short_table import short_table

    summary, record = load_table(page.folder, "summary"), run.record()
    if as_json:
        rows = json.loads(summary.to_json(orient="records"))
        content = page.document or {**facts_of(run, record), "summary": rows}
        echo_json({"run": str(page.folder), **content})
    else:
        echo(short_table(summary))
        for name, text in facts_of(run, record).items():
            _say(name, text)
    echo(f"wrote {page.folder}/", err=True)


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
    words = typed_words() if words is None else words
    return [value for word in words for value in (word, word.partition("=")[2]) if is_elsewhere(value)]


def _shown_word(word):
    option, sign, value = word.partition("=")
    if is_elsewhere(word):
        return shown_path(word)
    return f"{option}={shown_path(value)}" if sign and word.startswith("-") and is_elsewhere(value) else word

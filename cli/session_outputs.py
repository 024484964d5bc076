"""What does a command leave behind? run.json, figures and page, the summary on the terminal."""

import contextlib
import json
import shlex
import sys
import time

import click

from fmdiag.files.places import is_elsewhere, shown_path

from .echo import echo, echo_json


def record_of(session):
    """Return what run.json says: command, inputs by their content, versions, parameters."""
    from fmdiag import __version__

    checkpoint = None
    if session.checkpoint is not None:
        checkpoint = {"file": shown_path(session.checkpoint_file), "sha256": session.checkpoint.sha256,
                      **session.checkpoint.description}
    return {"fmdiag": __version__, "command": typed_command(), "name": session.name,
            "diagnostics": session.parameters, "dataset": session.training_set.describe(), "checkpoint": checkpoint,
            "seed": session.options["seed"], "device": str(session.device), "ranks": session.group.size,
            "memory": session.memory,
            "trust_code": bool(session.options.get("trust_code")), "dtype": "float32, û* in float64",
            "versions": versions(), "started": session.started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - session.clock, 1), **session.facts}


def write_records(session):
    """Write run.json, and the command's own document where it composes one."""
    import pandas as pd

    rows = session.training_set
    if vars(rows).get("overlap") is not None:  # looked for, as every use of held-out rows does
        session.facts["held_out"] = rows.overlap.describe()
    for text in rows.cautions:
        session.caution(text)
    if session.compose is not None:
        session.document = session.compose(record_of(session), pd.concat(session.folder.summaries, ignore_index=True))
        session.folder.add_json(f"{session.name}.json", session.document)
        # What the page shows of it.
        session.facts |= {"verdict": {"text": session.document["verdicts"][0]["text"], "details": [
            f"{entry['question']} {entry['answer'].capitalize()}. {entry['text']}"
            for entry in session.document["verdicts"]]}, "limits": session.document["limits"],
            "advice": session.document["advice"]}
    session.folder.add_json("run.json", record_of(session))


def cautions(session):
    """Return what the results of a run are to be read with: of its checkpoint, its data, and what was found."""
    known = (session.checkpoint.description.get("warnings") or ()) if session.checkpoint is not None else ()
    return list(dict.fromkeys([*known, *session.training_set.cautions, *session.facts.get("cautions", ())]))


def draw(session):
    """Draw the figures, and write the page where the command has one."""
    from fmdiag.errors import FmdiagError
    from fmdiag.figures import draw_all
    from fmdiag.report import write_report

    try:
        draw_all(session.folder.path)
        if session.page:
            write_report(session.folder.path)
    except FmdiagError as error:
        # The temporary folder is gone when the message is read.
        raise FmdiagError(str(error).replace(str(session.folder.path), str(session.folder.out))) from error


def show(session):
    """Print the summary, or with --json the document, and where the run is."""
    from fmdiag.results import load_table

    summary = load_table(session.folder.out, "summary")
    if session.options["as_json"] and session.document is not None:
        echo_json({"run": str(session.folder.out), **session.document})
    elif session.options["as_json"]:
        rows = json.loads(summary.to_json(orient="records"))
        echo_json({"run": str(session.folder.out), **session.facts, "cautions": cautions(session), "summary": rows})
    else:
        from .tables import short_table

        echo(short_table(summary))
        for sentence in cautions(session):
            echo(f"caution: {sentence}")
        for key, fact in session.facts.items():
            if key == "cautions":
                continue
            fact = fact.get("details") if isinstance(fact, dict) else fact
            if isinstance(fact, list):
                echo("\n  ".join([f"{key}:", *fact]))
            elif isinstance(fact, str):
                echo(f"{key}: {fact}")
    echo(f"wrote {session.folder.out}/", err=True)


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


def versions():
    """Return the versions that decide the numbers."""
    import platform
    from importlib.metadata import version

    packages = ("torch", "numpy", "faiss-cpu", "faiss-gpu-cu12", "torchdiffeq", "diffusers", "scipy",
                "transformers", "onnxruntime")
    found = {"python": platform.python_version()}
    for name in packages:
        with contextlib.suppress(Exception):
            found[name] = version(name)
    return found

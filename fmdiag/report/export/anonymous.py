"""Anonymous copies of run.json and the page of a run: names of files alone, no folders, hosts or user names."""

import getpass
import json
import os
import re
import shutil
import socket
import tempfile
from pathlib import Path, PurePath

from fmdiag.files.documents import as_json
from fmdiag.report.page import write_report
from fmdiag.results.tables import read_parquet, save_table

# A path: absolute, of a home folder or above, or with a folder before the name of a file.
PATH = re.compile(r"(?<![\w.+/-])(?:~|\.{1,2})?/[^\s'\",;:()=]+|(?:[\w.+-]+/)+[\w.+-]*\.[A-Za-z]\w*")
SHORTEST = 3   # letters; shorter names are words of every text


def anonymous(content, names=None):
    """Return plain values whose texts name files without their folders, and neither user nor host."""
    names = own_names() if names is None else names
    if isinstance(content, dict):
        return {key: _command(value, names) if key == "command" else anonymous(value, names)
                for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [anonymous(value, names) for value in content]
    return _text(content, names) if isinstance(content, str) else content


def own_names():
    """Return what names this user and this machine."""
    found = {socket.gethostname(), os.path.basename(os.path.expanduser("~"))}
    try:
        found.add(getpass.getuser())
    except (OSError, KeyError):
        pass
    return sorted((name for name in found if len(name) >= SHORTEST and name != "root"), key=len, reverse=True)


def _text(text, names):
    text = PATH.sub(lambda match: PurePath(match[0]).name, text)
    for name in names:
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "anonymous", text)
    return text


def _command(value, names):
    """Return a command line whose words have no folder before them."""
    if not isinstance(value, str):
        return anonymous(value, names)
    return _text(re.sub(r"[^\s'\"=]*/([^\s'\"/=]*)", r"\1", value), names)


def copies(run, folder):
    """Write run.json, and the page where the run has one, into `folder` without paths, hosts and user names."""
    run, names = Path(run), own_names()
    with tempfile.TemporaryDirectory(prefix="fmdiag-") as made:
        copy = Path(made) / "run"
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns("*.pt", "index.html", ".fmdiag*"))
        for file in copy.glob("*.json"):
            content = anonymous(json.loads(file.read_text(encoding="utf-8")), names)
            file.write_text(as_json(content, indent=1) + "\n", encoding="utf-8")
        for file in sorted((copy / "tables").glob("*.parquet")):
            table = read_parquet(file)
            texts = [column for column in table if table[column].dtype == object or str(table[column].dtype) == "str"]
            save_table(copy, file.stem, table.assign(**{
                column: table[column].map(lambda value: anonymous(value, names)) for column in texts}))
        shutil.copyfile(copy / "run.json", folder / "run.json")
        if (run / "index.html").is_file():
            write_report(copy)
            shutil.copyfile(copy / "index.html", folder / "index.html")

"""Table beside a folder of pictures: ``metadata.csv``, as Hugging Face's ImageFolder has it.

Its first line names the columns; ``file_name`` (or ``file``, ``filename``) is a picture's path below the folder.
"""

import csv
import io
from functools import partial
from pathlib import Path

from fmdiag.errors import FmdiagError
from fmdiag.files.regular import read_text

NAME = "metadata.csv"
KEYS = ("file_name", "filename", "file")


def columns(folder, paths):
    """Return the functions that load the table's columns for some pictures, by name; {} where there is no table.

    Parameters
    ----------
    folder : path
        The folder of pictures.
    paths : callable
        Returns the pictures' paths below it, a list of str with slashes.

    Raises
    ------
    FmdiagError
        If the table is damaged or does not say which picture a line is of, or a picture has no line or two.
    """
    file = Path(folder) / NAME
    if not file.is_file():
        return {}
    lines = _lines(file)
    key = next((name for name in KEYS if lines and name in lines[0]), None)
    if key is None:
        raise FmdiagError(f"{file}: its first line has no column file_name: name so the pictures' paths below {folder}")
    return {name: partial(_column, file, lines, lines[0].index(key), k, paths)
            for k, name in enumerate(lines[0]) if name != key}


def _lines(file):
    try:
        text = read_text(file, "table of pictures").removeprefix("\ufeff")
        return [line for line in csv.reader(io.StringIO(text, newline="")) if line]
    except (csv.Error, UnicodeError) as error:
        raise FmdiagError(f"{file}: no table of comma-separated values in UTF-8 ({error}): save it so") from error


def _column(file, lines, key, k, paths):
    found = {}
    for line in lines[1:]:
        if len(line) != len(lines[0]) or line[key] in found:
            why = "has two lines" if len(line) == len(lines[0]) else f"has {len(line)} of {len(lines[0])} columns"
            raise FmdiagError(f"{file}: {line[min(key, len(line) - 1)]} {why}: mend the table")
        found[line[key]] = line[k]
    wanted = paths()
    lacking = next((path for path in wanted if path not in found), None)
    if lacking is not None:
        raise FmdiagError(f"{file}: no line for {lacking}: add it")
    return [found[path] for path in wanted]

"""Differences between a run and the same run made again: which tables, which columns, by how much.

Numbers count as the same up to rounding: |a - b| <= tolerance times the largest |a| of the column.
"""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd

from fmdiag.errors import FmdiagError
from fmdiag.results.tables import load_run, load_table

ROUNDING = 1e-5
COLUMNS = ["table", "column", "rows", "largest", "same"]
DROPPED = ("--overwrite", "--json")
RUNS_CODE = ("--trust-code", "--trust-pickle", "--diagnostic")
# What decides the numbers, as run.json has it.
FACTS = ("fmdiag", "seed", "device", "ranks", "versions")


def command_of(run, trust_code=False):
    """Return the words of the command line that made a run, without ``fmdiag``, its folder and its way of printing.

    Parameters
    ----------
    run : path
        Run folder.
    trust_code : bool
        Whether a command that runs code of its files may be made again.

    Raises
    ------
    FmdiagError
        If no run.json is there, no command line made it, or it runs code that was not trusted.
    """
    recorded = load_run(run).get("command")
    try:
        program, *words = shlex.split(recorded) if isinstance(recorded, str) else [""]
    except ValueError:
        program, words = "", []
    if program != "fmdiag" or not words:
        raise FmdiagError(f"{run}: run.json names no fmdiag command (command is {recorded!r}): a run made in Python is "
                          "made again by its own script")
    if not trust_code and any(word.partition("=")[0] in RUNS_CODE for word in words):
        raise FmdiagError(f"{run}: its command runs code in files ({recorded}): add --trust-code if you trust them")
    text = [word for word in words if word not in DROPPED and not word.startswith("--out=")]
    return [word for k, word in enumerate(text) if word != "--out" and (k == 0 or text[k - 1] != "--out")]


def differences(before, after, tolerance=ROUNDING):
    """Compare the tables of two runs, cell by cell.

    Parameters
    ----------
    before, after : path
        Run folders.
    tolerance : float
        Largest difference that is rounding, in units of the largest absolute value of the column.

    Returns
    -------
    DataFrame
        A row per column that is not equal bit for bit, and per table or column that only one has: table, column (empty
        for a whole table), rows (how many differ), largest (difference in units of the column's largest absolute
        value; NaN for texts and what is missing), same (whether that is rounding).
    """
    names = [_tables(run) for run in (before, after)]
    rows = [(name, "", np.nan, np.nan, False) for name in sorted(names[0] ^ names[1])]
    for name in sorted(names[0] & names[1]):
        rows += [(name, *row) for row in compared(load_table(before, name), load_table(after, name), tolerance)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _tables(run):
    return {path.stem for path in (Path(run) / "tables").glob("*") if path.suffix == ".parquet"}


def compared(a, b, tolerance=ROUNDING):
    """Yield (column, rows, largest, same) of two tables' columns that are not equal bit for bit."""
    if len(a) != len(b):
        yield "", abs(len(a) - len(b)), np.nan, False
        return
    for column in [*a.columns, *(name for name in b.columns if name not in a.columns)]:
        if column not in a.columns or column not in b.columns:
            yield column, len(a), np.nan, False
        elif not (different := _different(a[column], b[column])).any():
            continue
        elif pd.api.types.is_numeric_dtype(a[column]) and pd.api.types.is_numeric_dtype(b[column]):
            x, y = a[column].to_numpy(float), b[column].to_numpy(float)
            scale = np.abs(x[np.isfinite(x)]).max(initial=0) or 1.0
            gap = np.abs(x - y)[different] / scale
            yield column, int(different.sum()), float(np.max(gap)), bool((gap <= tolerance).all())
        else:
            yield column, int(different.sum()), np.nan, False


def _different(a, b):
    return ~((a.reset_index(drop=True) == b.reset_index(drop=True)) | (a.isna() & b.isna()).to_numpy()).to_numpy(bool)


def changed_facts(before, after):
    """Return sentences on what decides the numbers and is another in the second run: versions, data, weights, seed."""
    a, b = load_run(before), load_run(after)
    facts = {name: (a.get(name), b.get(name)) for name in FACTS}
    for part, key in (("dataset", "fingerprint"), ("checkpoint", "sha256")):
        old, new = (((run.get(part) or {}).get(key) or "none")[:12] for run in (a, b))
        facts[part] = old, new
    old, new = facts.pop("versions")
    facts |= {name: ((old or {}).get(name), (new or {}).get(name)) for name in {**(old or {}), **(new or {})}}
    return [f"{name}: {x} before, {y} now" for name, (x, y) in facts.items() if x != y]


def with_places(words, places):
    """Return a command's words with places for those that run.json names without their folder.

    Parameters
    ----------
    words : list of str
    places : iterable of str
        ``NAME=PATH``, NAME a word of the command.
    """
    for place in places:
        name, sign, path = place.partition("=")
        if not (sign and path) or name not in words:
            known = [word for word in words if re.search(r"[./]", word)]
            raise FmdiagError(f"--place {place!r}: give NAME=PATH, NAME a word of the run's command"
                              + (f" ({', '.join(known)})" if known else ""))
        words = [path if word == name else word for word in words]
    return words

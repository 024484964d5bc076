"""Tables, arrays and provenance of a run folder, written and read."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from fmdiag.errors import FmdiagError, printable
from fmdiag.files.documents import read_document
from fmdiag.files.npz import read_npz
from fmdiag.files.replace import replace_atomically
from fmdiag.results.schema import Run

# How a formula may begin, and what only looks like one: "-0.3 [-0.5, 0.1]", "+1e-3".
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NUMBERS = re.compile(r"[-+][\d.,eE%+\-\[\] ]*")


def save_table(run, name, table):
    """Write ``tables/NAME.parquet`` (raw) and ``tables/NAME.csv`` (nine digits) below the folder `run`.

    In the CSV, texts that a spreadsheet would run as a formula begin with an apostrophe.
    """
    folder = Path(run) / "tables"
    table = spelt_out(table)
    shown = without_formulas(table)
    replace_atomically(folder / f"{name}.parquet", lambda temporary: write_parquet(table, temporary))
    shown = shown.assign(**{column: _nine_digits(shown[column]) for column in shown
                            if isinstance(shown[column].dtype, np.dtype) and shown[column].dtype.kind == "f"})
    replace_atomically(folder / f"{name}.csv", lambda temporary: shown.to_csv(temporary, index=False))


def _nine_digits(column):
    """Return floats as texts of nine digits and None, five times as fast as with `float_format`."""
    return pd.Series([None if x != x else f"{x:.9g}" for x in column.tolist()], index=column.index, dtype=object)


def without_formulas(table):
    """Return a table as a spreadsheet may read it: texts that it would run as a formula begin with an apostrophe."""
    texts = [column for column in table if not pd.api.types.is_numeric_dtype(table[column])]
    shown = table.assign(**{column: table[column].astype(object).map(_cell) for column in texts})
    return shown.rename(columns=_cell)


def _cell(value):
    """Return a text as it may stand in a spreadsheet; numbers, also where they stand in texts, as they are."""
    is_formula = isinstance(value, str) and value.startswith(FORMULAS) and not NUMBERS.fullmatch(value)
    return f"'{value}" if is_formula else value


def load_table(run, name):
    """Return the table NAME of the run folder `run`, or None where that run has none."""
    path = Path(run) / "tables" / f"{name}.parquet"
    return read_parquet(path) if path.is_file() else None


def write_parquet(table, path):
    """Write a table as Parquet, under a name that may be no UTF-8."""
    with open(path, "wb") as stream:
        spelt_out(table).to_parquet(stream, index=False)


def read_parquet(path):
    """Return the table in a Parquet file, whose name may be no UTF-8."""
    with open(path, "rb") as stream:
        return spelt_out(pd.read_parquet(stream))


def spelt_out(table):
    """Return a table whose texts are printable, itself where they are."""
    columns = {name: column.map(printable) for name, column in table.items()
               if not pd.api.types.is_numeric_dtype(column) and any(
                   isinstance(value, str) and printable(value) != value for value in column.unique())}
    return table.assign(**columns) if columns else table


def load_array(run, name):
    """Return the arrays saved as NAME as a dict, or None where that run has none."""
    path = Path(run) / "arrays" / f"{name}.npz"
    if not path.is_file():
        return None
    return read_npz(path)


def load_run(run):
    """Return ``run.json`` of a run folder, its entries of the types that `fmdiag.results.schema` names.

    Raises
    ------
    FmdiagError
        If the folder is not a run folder, or its run.json is damaged or another program's.
    """
    path = Path(run) / "run.json"
    if not path.is_file():
        raise FmdiagError(f"{run}: not a run folder (no run.json); give a folder that an fmdiag command wrote")
    return read_document(path, Run, then="give a folder that an fmdiag command wrote, or make the run again")

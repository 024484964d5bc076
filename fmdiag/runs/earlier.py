"""Earlier results: what a whole run folder holds of each diagnostic, for a run of the same inputs to go on from."""

from pathlib import Path
from typing import NotRequired, TypedDict

import pandas as pd

from fmdiag.errors import FmdiagError
from fmdiag.files.documents import read_document
from fmdiag.results import Result, Verdict, load_array, load_run, load_table
from fmdiag.runs.publish import RESULTS


class Entry(TypedDict):
    """What is kept of a Result beside its tables and arrays; the rest is read as it is."""

    key: str | None
    columns: dict[str, list[str]]
    summary: dict[str, str]
    arrays: list[str]
    files: list[str]


class Kept(TypedDict):
    """results.json."""

    key: NotRequired[str | None]
    results: NotRequired[dict[str, Entry]]


def run_key(out):
    """Return the key of the inputs of the run folder `out`; None where it names none."""
    return _read(out).get("key")


def earlier_result(out, name, key):
    """Return the Result of a diagnostic in a run folder if it was kept under `key`, else None."""
    found = _read(out).get("results", {}).get(name, {})
    if found.get("key") != key:
        return None
    try:
        tables = {table: pd.DataFrame(_table(out, table)[columns]) for table, columns in found["columns"].items()}
        arrays = {array: load_array(out, array) for array in found["arrays"]}
        summary, dtypes = _table(out, "summary"), found["summary"]
        summary = summary.loc[summary["diagnostic"] == name, list(dtypes)].astype(dtypes).reset_index(drop=True)
        verdict = found["verdict"] and Verdict.of(found["verdict"])
        return Result(name, tables.pop(name), summary, found["parameters"], tables, arrays, verdict,
                      found["cautions"], found["facts"], load_run(out), key, found["asked"],
                      {name: Path(out) / name for name in found["files"]})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, FmdiagError):
        return None  # damaged: it is measured again


def _table(out, name: str) -> pd.DataFrame:
    table = load_table(out, name)
    if table is None:
        raise FmdiagError(f"{out} has no table {name}")
    return table


def _read(out):
    try:
        return read_document(Path(out) / RESULTS, Kept)
    except FmdiagError:
        return {}

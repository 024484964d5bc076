"""Earlier results: what a whole run folder holds of each diagnostic, for a run of the same inputs to go on from."""

import json
from pathlib import Path

import pandas as pd

from fmdiag.errors import FmdiagError
from fmdiag.results import Result, Verdict, load_array, load_run, load_table
from fmdiag.runs.publish import RESULTS


def run_key(out):
    """Return the key of the inputs of the run folder `out`; None where it names none."""
    return _read(out).get("key")


def earlier_result(out, name, key):
    """Return the Result of a diagnostic in a run folder if it was kept under `key`, else None."""
    found = (_read(out).get("results") or {}).get(name) or {}
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
    except (OSError, ValueError, KeyError, TypeError, FmdiagError):
        return None  # damaged: it is measured again


def _table(out, name: str) -> pd.DataFrame:
    table = load_table(out, name)
    if table is None:
        raise FmdiagError(f"{out} has no table {name}")
    return table


def _read(out):
    try:
        content = json.loads((Path(out) / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}

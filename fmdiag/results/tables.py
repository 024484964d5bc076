"""How are the tables, arrays and provenance of a run folder written and read?"""

from pathlib import Path

import pandas as pd

from fmdiag.errors import FmdiagError
from fmdiag.files.documents import read_document
from fmdiag.files.npz import read_npz
from fmdiag.results.schema import Run


def save_table(run, name, table):
    """Write ``tables/NAME.parquet`` (raw) and ``tables/NAME.csv`` (nine digits) below the folder `run`."""
    folder = Path(run) / "tables"
    folder.mkdir(exist_ok=True)
    table.to_parquet(folder / f"{name}.parquet", index=False)
    table.to_csv(folder / f"{name}.csv", index=False, float_format="%.9g")


def load_table(run, name):
    """Return the table NAME of the run folder `run`, or None where that run has none."""
    path = Path(run) / "tables" / f"{name}.parquet"
    return pd.read_parquet(path) if path.is_file() else None


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

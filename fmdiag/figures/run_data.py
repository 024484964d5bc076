"""Data of a run for its figures: run.json, tables and pictures, each read once and never changed."""

from functools import cache
from pathlib import Path

import pandas as pd

from fmdiag.errors import FmdiagError
from fmdiag.results import SUMMARY_COLUMNS, load_array, load_run, load_table

INTERVAL_NAMES = {"student": "Student t intervals of the mean", "exact": "exact (Clopper-Pearson) intervals",
                  "bounded": "Gaffke intervals of the mean of a bounded quantity",
                  "bootstrap": "percentile bootstrap intervals",
                  "cluster_bootstrap": "percentile bootstrap intervals over training examples",
                  "clustered_exact": "exact intervals at the effective number of samples",
                  "jackknife": "jackknife intervals", "delong": "DeLong intervals", "newcombe": "Newcombe intervals",
                  "newcombe_clustered": "Newcombe intervals of effective counts",
                  "simultaneous": "simultaneous intervals", "fieller": "Fieller intervals of a ratio of means",
                  "median": "exact intervals of the median by order statistics",
                  "exact_inverted": "intervals by inversion of exact (Clopper-Pearson) limits per size",
                  "profile": "profile likelihood intervals",
                  "welch": "Welch intervals of the difference"}


class RunData:
    """Reader of one run folder.

    Parameters
    ----------
    path : path
        Run folder, complete or still under its temporary name.

    Raises
    ------
    FmdiagError
        If the folder has no run.json, or a file in it is damaged.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.run = self._read("run.json", load_run, self.path)
        self.table = cache(lambda name: self._read(f"tables/{name}.parquet", load_table, self.path, name))
        self.arrays = cache(lambda name: self._read(f"arrays/{name}.npz", load_array, self.path, name))

    def _read(self, file, load, *arguments):
        try:
            return load(*arguments)
        except FmdiagError:
            raise
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise FmdiagError(f"{self.path / file}: cannot be read ({reason}); make the run again") from error

    def summary(self, diagnostic, *quantities):
        """Return the summary rows of a diagnostic, of the named quantities where any is named; maybe no row."""
        table = self.table("summary")
        if table is None:
            return pd.DataFrame(columns=SUMMARY_COLUMNS)
        rows = table[table["diagnostic"] == diagnostic]
        return rows[rows["quantity"].isin(quantities)] if quantities else rows

    def dataset_facts(self):
        """Return one phrase for captions: name, number of training rows and shape of a row."""
        data = self.run.get("dataset") or {}
        shape = " × ".join(map(str, data.get("shape", [])))
        n = data.get("n")
        flips = ", mirror images counted" if data.get("hflip") else ""
        rows = f" (n = {f'{n:,}'.replace(',', ' ')} training examples of {shape}{flips})" if n else ""
        return f"{data.get('name') or 'unnamed data'}{rows}"

    def units(self, table, column):
        """Return how many distinct units (pairs, samples) a raw table has in `column`; 0 without the table."""
        rows = self.table(table)
        return 0 if rows is None or column not in rows else int(rows[column].nunique())

    def interval_facts(self, diagnostic, *quantities):
        """Return which intervals the summary holds of these quantities, e.g. "95 % Student t intervals of the mean"."""
        rows = self.summary(diagnostic, *quantities)
        # Some rows of a quantity may have none, such as a single trajectory, or a mean over a single seed.
        rows = rows[(rows["interval"] != "none") & rows["low"].notna()]
        kinds = [INTERVAL_NAMES.get(kind, str(kind)) for kind in rows["interval"].dropna().unique()]
        level = f"{rows['level'].iloc[0]:.0%} ".replace("%", " %") if len(rows) else ""
        return level + " and ".join(kinds) if kinds else "no intervals"


class ResultData(RunData):
    """A Result in memory, read as a run folder is."""

    def __init__(self, result):
        self.path, self.run = "this result", {"diagnostics": {result.name: result.parameters}, **result.run}
        tables = {**result.all_tables(), "summary": result.summary}
        self.table, self.arrays = tables.get, result.arrays.get

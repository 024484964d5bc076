"""Result of a diagnostic: raw tables, summary with intervals, arrays of pictures, verdict and cautions.

A result is saved as a folder of plain values, which is also how a run that was interrupted keeps what it has finished:

    result.json              name, parameters, verdict, cautions, facts, the record of the run
    tables/NAME.parquet      raw tables; tables/summary.parquet
    arrays/NAME.npz          pictures that figures show
"""

import html
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from fmdiag.errors import FmdiagError
from fmdiag.files.documents import as_json
from fmdiag.files.npz import read_npz
from fmdiag.registry import resolve
from fmdiag.results.short_table import short_table
from fmdiag.results.tables import read_parquet, write_parquet
from fmdiag.results.verdict import Verdict

RECORD = "result.json"


@dataclass(eq=False)
class Result:
    """What one diagnostic found.

    Parameters
    ----------
    name : str
        Name of the diagnostic.
    table : DataFrame
        Raw rows; the diagnostic's `measure` documents the columns.
    summary : DataFrame
        A row per quantity: diagnostic, quantity, keys, value, low, high, level, n, interval.
    parameters : dict
        Plain values that it was measured with.
    tables : dict of str to DataFrame
        Further tables.
    arrays : dict of str to dict of ndarray
        What figures show beside tables, by the name of the file that they are saved in.
    verdict : Verdict, optional
        The answer, where the diagnostic gives one.
    cautions : list of str
        What would mislead a reader of the numbers, a sentence each.
    facts : dict
        Further plain values for run.json.
    run : dict
        The record of the run that it belongs to: data set, checkpoint, seed, versions, command.
    key : str
        Hash of everything that decides it.
    asked : dict
        The parameters of its card that it was measured with, as far as they are plain values.
    files : dict of str to path
        Further files that belong to it, such as trained models, by the name that they are saved under.
    """

    name: str
    table: pd.DataFrame
    summary: pd.DataFrame
    parameters: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)
    arrays: dict = field(default_factory=dict)
    verdict: Verdict | None = None
    cautions: list = field(default_factory=list)
    facts: dict = field(default_factory=dict)
    run: dict = field(default_factory=dict)
    key: str = ""
    asked: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)

    def all_tables(self):
        """Return {name: table} with the raw table under the diagnostic's name, without the summary."""
        return {self.name: self.table, **self.tables}

    def plot(self, name=None, ax=None):
        """Draw a figure of the diagnostic, as `fmdiag figures` draws it.

        Parameters
        ----------
        name : str, optional
            One of the diagnostic's figures; default the first that this result has something for.
        ax : matplotlib Axes, optional
            Draw the figure's main panel there instead of making a figure.

        Returns
        -------
        matplotlib Figure, or the Axes where `ax` was given.

        Raises
        ------
        FmdiagError
            If there is no such figure, or nothing to draw in it.
        """
        # Figures come later in the order of imports: they are found by name when one is asked for.
        return resolve("fmdiag.figures.plot:plot")(self, name, ax)

    def save(self, folder):
        """Write the result below `folder`, which is made; see the module for the layout."""
        folder = Path(folder)
        for part in ("tables", "arrays"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for name, table in {**self.all_tables(), "summary": self.summary}.items():
            write_parquet(table, folder / "tables" / f"{name}.parquet")
        for name, arrays in self.arrays.items():
            np.savez_compressed(folder / "arrays" / f"{name}.npz", **arrays)
        for name, file in self.files.items():
            shutil.copyfile(file, folder / name)
        record = {"name": self.name, "parameters": self.parameters, "tables": list(self.tables), "arrays":
                  list(self.arrays), "verdict": self.verdict and self.verdict.describe(), "cautions": self.cautions,
                  "facts": self.facts, "run": self.run, "key": self.key, "asked": self.asked,
                  "files": list(self.files)}
        (folder / RECORD).write_text(as_json(record, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder):
        """Return the result that `save` wrote below `folder`.

        Raises
        ------
        FmdiagError
            If there is none, or it is damaged.
        """
        folder = Path(folder)
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            tables = {name: read_parquet(folder / "tables" / f"{name}.parquet")
                      for name in (record["name"], "summary", *record["tables"])}
            arrays = {name: read_npz(folder / "arrays" / f"{name}.npz") for name in record["arrays"]}
            verdict = record["verdict"] and Verdict.of(record["verdict"])
            return cls(record["name"], tables.pop(record["name"]), tables.pop("summary"), record["parameters"], tables,
                       arrays, verdict, list(record["cautions"]), record["facts"], record["run"], record["key"],
                       record["asked"], {name: folder / name for name in record["files"]})
        except FileNotFoundError as error:
            raise FmdiagError(f"{folder} holds no saved result: {Path(error.filename or folder).name} is missing; give "
                              "a folder that Result.save wrote") from error
        except Exception as error:  # each reader has errors of its own for a damaged file
            raise FmdiagError(f"{folder} holds a damaged result ({type(error).__name__}: {error}): measure it again"
                              ) from error

    def __repr__(self):
        verdict = f", verdict: {self.verdict.answer}" if self.verdict else ""
        return f"<Result {self.name}: {len(self.table)} rows, {len(self.summary)} summary rows{verdict}>"

    def __str__(self):
        """Return the summary as the command line prints it."""
        return short_table(self.summary)

    def _repr_html_(self):
        """Show verdict, cautions and summary in a notebook."""
        parts = [f"<b>{html.escape(self.name)}</b>"]
        parts += [f"<p>{html.escape(self.verdict.text)}</p>"] if self.verdict else []
        parts += [f"<p>Caution: {html.escape(text)}</p>" for text in self.cautions]
        return "".join([*parts, self.summary.head(30).dropna(axis=1, how="all").to_html(index=False, escape=True)])

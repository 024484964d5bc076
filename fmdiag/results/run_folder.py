"""What is written down by a command: a run folder that is whole or absent.

It holds `run.json` (command, versions, seed, fingerprints), `tables/NAME.parquet` (raw) and `NAME.csv`,
`arrays/NAME.npz` (pictures that figures show) and `figures/NAME.png`, `.pdf`. It is built under a temporary name beside
its destination and renamed when complete.
"""

from pathlib import Path

import pandas as pd

from fmdiag.files.documents import as_json
from fmdiag.files.places import without_places
from fmdiag.files.staged import StagedFolder
from fmdiag.results.tables import save_table

SUMMARY_COLUMNS = ["diagnostic", "quantity", "value", "low", "high", "level", "n", "interval"]


class RunFolder(StagedFolder):
    """A run folder under construction; a context manager, with the parameters of `StagedFolder`.

    Attributes
    ----------
    places : iterable of str
        Paths that the user gave: documents name them as `fmdiag.files.places.shown_path` does.
    """

    def __init__(self, out: str | Path, kind: str = "run", *, overwrite: bool = False):
        super().__init__(out, kind, overwrite=overwrite)
        self.summaries, self.places = [], ()

    def add_table(self, name, table):
        """Write a raw table."""
        with self.writing(f"table {name}"):
            save_table(self.path, name, table)

    def add_summary(self, table):
        """Keep summary rows for `write_summary`."""
        self.summaries.append(table)

    def write_summary(self):
        """Write all summary rows as ``tables/summary``, the columns every version keeps first."""
        summary = pd.concat(self.summaries, ignore_index=True)
        further = [column for column in summary.columns if column not in SUMMARY_COLUMNS]
        self.add_table("summary", summary[["diagnostic", "quantity", *further, *SUMMARY_COLUMNS[2:]]])

    def add_json(self, name, content):
        """Write a JSON document at the top of the folder."""
        with self.writing(name):
            (self.path / name).write_text(as_json(without_places(content, self.places), indent=1) + "\n")

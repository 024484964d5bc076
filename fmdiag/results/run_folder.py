"""What is written down by a command: a run folder that is whole or absent.

It holds `run.json` (command, versions, seed, fingerprints), `tables/NAME.parquet` (raw) and `NAME.csv`,
`arrays/NAME.npz` (pictures that figures show) and `figures/NAME.png`, `.pdf`. It is built under a temporary name beside
its destination and renamed when complete.
"""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from fmdiag.errors import FmdiagError
from fmdiag.results.files import check_writable, remedy, umask
from fmdiag.results.tables import save_table

SUMMARY_COLUMNS = ["diagnostic", "quantity", "value", "low", "high", "level", "n", "interval"]


class RunFolder:
    """A run folder under construction; use it as a context manager.

    Parameters
    ----------
    out : path
        Destination; it must not exist unless `overwrite`, which replaces it only once the new run is complete.
    overwrite : bool
        Whether an earlier *run folder* may be replaced; any other folder is never touched.

    Raises
    ------
    FmdiagError
        If the destination exists and may not be replaced.
    """

    def __init__(self, out, *, overwrite=False):
        self.out = Path(out)
        self.overwrite = overwrite
        self.path = None
        self.summaries = []
        self._check()

    def _check(self):
        if self.out.is_dir() and not (self.out / "run.json").is_file():
            raise FmdiagError(f"{self.out} exists and is not a run folder: choose another --out")
        if self.out.is_dir() and not self.overwrite:
            raise FmdiagError(f"{self.out} exists: choose another --out, or --overwrite to replace that run")
        if os.path.lexists(self.out) and not self.out.is_dir():
            raise FmdiagError(f"{self.out} is a file, not a folder: choose another --out")
        check_writable(self.out)

    def __enter__(self):
        """Create the temporary folder beside the destination."""
        self.made = [folder for folder in self.out.parents if not folder.exists()]
        with self._writing("the folder"):
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(dir=self.out.parent, prefix=f".{self.out.name}.", suffix=".partial"))
        self.path.chmod(0o777 & ~umask())
        return self

    def __exit__(self, kind, error, traceback):
        """Rename on success, remove on failure."""
        if kind is None:
            try:
                self._publish()
            except BaseException:
                self._abandon()
                raise
        else:
            self._abandon()

    def _abandon(self):
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in self.made:
            # Only empty folders can be removed this way: what others put there in the meantime stays.
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _publish(self):
        # Another process may have made a run of this name meanwhile.
        self._check()
        if self.out.exists():
            retired = Path(tempfile.mkdtemp(dir=self.out.parent, prefix=f".{self.out.name}.", suffix=".old"))
            try:
                os.replace(self.out, retired / "run")
                os.replace(self.path, self.out)
            except BaseException:
                if not self.out.exists():
                    os.replace(retired / "run", self.out)
                retired.rmdir()
                raise
            shutil.rmtree(retired)
        else:
            os.replace(self.path, self.out)

    @contextlib.contextmanager
    def _writing(self, what):
        # A failure names the destination, not the temporary folder, which is gone when the message is read.
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error
            raise FmdiagError(f"{self.out}: {what} cannot be written ({reason}); {remedy(error)}") from error

    def add_table(self, name, table):
        """Write a raw table."""
        with self._writing(f"table {name}"):
            save_table(self.path, name, table)

    def add_summary(self, table):
        """Keep summary rows for `write_summary`."""
        self.summaries.append(table)

    def write_summary(self):
        """Write all summary rows as ``tables/summary``, the columns every version keeps first."""
        summary = pd.concat(self.summaries, ignore_index=True)
        further = [column for column in summary.columns if column not in SUMMARY_COLUMNS]
        self.add_table("summary", summary[["diagnostic", "quantity", *further, *SUMMARY_COLUMNS[2:]]])

    def add_array(self, name, **arrays):
        """Write arrays, e.g. the pictures of a strip, as ``arrays/NAME.npz``."""
        folder = self.path / "arrays"
        with self._writing(f"array {name}"):
            folder.mkdir(exist_ok=True)
            np.savez_compressed(folder / f"{name}.npz", **arrays)

    def add_json(self, name, content):
        """Write a JSON document at the top of the folder."""
        with self._writing(name):
            (self.path / name).write_text(json.dumps(content, indent=1, default=str) + "\n")

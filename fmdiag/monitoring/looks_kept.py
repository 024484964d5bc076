"""Looks of a monitored run in its folder: each kept whole as it is made, the table of all written anew.

``looks/KEY/`` is one look, its table and the account of seconds, named by step, settings and the network's answers;
``tables/monitor`` is all looks, ``tables/monitor_onsets`` what they show from which step on, ``figures/monitor.png``
their figure.
"""

from pathlib import Path

import pandas as pd

from fmdiag.files.hashing import text_sha256
from fmdiag.files.replace import check_writable
from fmdiag.files.store import Store
from fmdiag.results import note_files, save_table
from fmdiag.results.tables import read_parquet, write_parquet

FILES = ("tables/monitor.parquet", "tables/monitor.csv", "tables/monitor_onsets.parquet", "tables/monitor_onsets.csv",
         "figures/monitor.png")


class LooksKept:
    """The looks below one folder.

    Parameters
    ----------
    folder : path
    setting : str
        What decides a look besides the network: looks of other settings are not found.

    Raises
    ------
    FmdiagError
        If the folder cannot be written to.
    """

    def __init__(self, folder, setting):
        self.folder, self.setting = Path(folder), setting
        check_writable(self.folder / FILES[0], "out")
        self.store = Store(self.folder / "looks")

    def find(self, step, digest):
        """Return the table of the look at a step at a network with these answers, or None."""
        key = self._name(step, digest)
        return None if digest is None or self.store.find(key) is None else self._read(key)

    def add(self, step, digest, table, account):
        """Keep a look, with the account of the budget after it."""
        self.store.add(self._name(step, digest), lambda entry: write_parquet(table, entry / "look.parquet"),
                       step=step, setting=self.setting, account=account)

    def before(self, step):
        """Return (table, account) of the looks of this setting at earlier steps; of each step the latest one."""
        found = {}
        for entry in sorted(self.store.folder.glob("[!.]*"), key=lambda each: each.stat().st_mtime):
            record = self.store.find(entry.name)
            if record is not None and record["setting"] == self.setting and record["step"] < step:
                found[record["step"]] = (self._read(entry.name), record["account"])
        tables = [found[one][0] for one in sorted(found)]
        return (pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(),
                found[max(found)][1] if found else None)

    def write(self, table, onsets):
        """Write the table of all looks, and that of their onsets."""
        save_table(self.folder, "monitor", table)
        if len(onsets):
            save_table(self.folder, "monitor_onsets", onsets)

    def note(self):
        """Add what was written to the list of files of a folder that has one."""
        files = [self.folder / name for name in FILES if (self.folder / name).is_file()]
        note_files(self.folder, [*files, *(file for file in self.store.folder.glob("[!.]*/*") if file.is_file())])

    def _name(self, step, digest):
        return f"{step:09d}-{text_sha256(repr([self.setting, digest]))[:12]}"

    def _read(self, key):
        return read_parquet(self.store.path(key) / "look.parquet")

"""Store of finished work: folders of plain values, each whole or absent, named by a hash of all that decides it.

``KEY/`` holds what was made and a record: its files with their SHA-256, further facts, and a seal over all of it.
``.KEY.xxxxxxxx.partial`` is under construction.
"""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fmdiag.errors import FmdiagError
from fmdiag.files.documents import is_sealed, read_document, sealed
from fmdiag.files.hashing import sums
from fmdiag.files.staged import partial_folder


class Store:
    """Entries below one folder.

    Parameters
    ----------
    folder : path
        Made when something is added.
    record : str, optional
        Name of the record in each entry. None: entries have none, and `find` takes those that are there for whole, as
        where hashing them would take as long as making them.
    """

    def __init__(self, folder: str | Path, record: str | None = "entry.json"):
        self.folder, self.record = Path(folder), record

    def path(self, key: str) -> Path:
        """Return the folder of an entry."""
        return self.folder / key

    def find(self, key: str) -> dict | None:
        """Return the record of an entry, a dict, if it is there and no byte of it has changed; otherwise None."""
        if self.record is None:
            return {} if os.path.isdir(self.path(key)) else None
        with contextlib.suppress(FmdiagError, OSError):
            record = read_document(self.path(key) / self.record, dict)
            if is_sealed(record) and record["key"] == key and record["files"] == sums(self.path(key), (self.record,)):
                return record
        return None

    def add(self, key: str, fill: Callable[[Path], object], **facts: Any) -> Path:
        """Have ``fill(folder)`` write an entry; return its folder.

        Where another process has made the same entry meanwhile, that one stays.

        Parameters
        ----------
        key : str
        fill : callable
            Writes into the empty folder it is given; if it raises, nothing is left behind.
        **facts
            Plain values for the record.

        Raises
        ------
        OSError
            If the entry cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with partial_folder(self.path(key)) as folder:
            fill(folder)
            if self.record is not None:
                content = sealed({"key": key, "files": sums(folder), **facts})
                (folder / self.record).write_text(json.dumps(content, indent=1) + "\n")
            try:
                folder.rename(self.path(key))
            except OSError:
                if not os.path.isdir(self.path(key)):
                    raise
        return self.path(key)

"""The parts of a study, and the folder in which they are kept once they are finished.

A part is a dict of plain values that decide its outcome. A finished part is a folder that is moved into place whole and
never touched again; its name is a hash of those values and of the code that made it. The same inputs are never computed
twice, in this study or in another that keeps its parts in the same place; parts that another version made, or that were
changed, are never used.
"""

import contextlib
import json
import os
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import torch

from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.files.code import made_by
from fmdiag.files.documents import read_document
from fmdiag.files.hashing import text_sha256
from fmdiag.files.lock import claim
from fmdiag.files.npz import read_npz
from fmdiag.files.store import Store
from fmdiag.results.tables import read_parquet, write_parquet

RECORD, NAME = "part.json", re.compile("[0-9a-f]{20}")


@dataclass(frozen=True)
class Part:
    """One training run with its measurements, or the reference values of one training set.

    Parameters
    ----------
    kind : str
        ``"training"`` or ``"reference"``; ``"look"`` at a checkpoint.
    inputs : dict
        Plain values that decide the outcome, and nothing that does not.
    """

    kind: str
    inputs: dict

    @property
    def key(self):
        """Return the name of the part: a hash of its kind and inputs."""
        text = json.dumps([self.kind, self.inputs], sort_keys=True)
        return text_sha256(text)[:20]


class Record(TypedDict):
    """What of part.json is looked at before its seal is checked."""

    kind: str
    inputs: dict
    made_by: NotRequired[str]


class PartStore:
    """Finished parts and the work on unfinished ones, below one folder.

    Parameters
    ----------
    folder : path
        ``KEY/`` for each finished part (part.json, tables as Parquet, arrays, checkpoint), ``.work-KEY/`` for one that
        is under way, ``.locks/`` for claims.
    """

    def __init__(self, folder):
        self.folder, self.whole = Path(folder), set()
        self.store = Store(self.folder, RECORD)

    def name(self, part):
        """Return the name of a part's folder: of its key and of the code that makes it here."""
        return text_sha256(f"{part.key} {made_by()}")[:20]

    def path(self, part):
        """Return the folder of a finished part."""
        return self.store.path(self.name(part))

    def finished(self, part):
        """Return whether the part is there, made by this code and unchanged since; files are hashed once."""
        name = self.name(part)
        if name not in self.whole and self.store.find(name) is not None:
            self.whole.add(name)
        return name in self.whole

    def warn_of_others(self, parts):
        """Warn of parts that are damaged, and of those with the same inputs that other code made: neither is used."""
        missing = {part.key for part in parts if not self.finished(part)}
        damaged = [self.path(part).name for part in parts if part.key in missing and self.path(part).exists()]
        if damaged:
            warnings.warn(f"{self.folder}: {len(damaged)} parts are damaged or were changed, so they are put aside "
                          f"as NAME.damaged and made again: {', '.join(damaged[:3])}", FmdiagWarning, stacklevel=2)
        others = [record for folder in self.folder.glob("[!.]*") if NAME.fullmatch(folder.name)
                  and folder.name not in damaged and (record := _read(folder)) is not None]
        makers = [record.get("made_by") or "of an earlier version" for record in others
                  if Part(record["kind"], record["inputs"]).key in missing]
        if makers:
            warnings.warn(f"{self.folder}: {len(makers)} parts were made by another fmdiag ({makers[0]}), so they are "
                          f"kept but not used: this one ({made_by()}) makes its own", FmdiagWarning, stacklevel=2)

    def kept(self, kind):
        """Return the finished parts of a kind that are there, made by this code, each once, in no order."""
        return [part for part in self._there(kind) if self.finished(part)]

    def others(self, kind):
        """Return the parts of a kind that only another fmdiag has made, each once, in no order."""
        return [part for part in self._there(kind) if not self.finished(part)]

    def _there(self, kind):
        """Return the parts of a kind that any fmdiag has made: those of two have one key."""
        records = [_read(folder) for folder in self.folder.glob("[!.]*") if NAME.fullmatch(folder.name)]
        parts = [Part(kind, record["inputs"]) for record in records if record is not None and record["kind"] == kind]
        return list({part.key: part for part in parts}.values())

    def claim(self, part):
        """Return a context that yields whether this process may work on the part."""
        return claim(self.folder / ".locks" / self.name(part))

    @contextlib.contextmanager
    def work(self, part):
        """Yield the folder in which the part is made; what an interrupted process left there is still in it."""
        folder = self._work(part)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder

    def _work(self, part):
        return self.folder / f".work-{self.name(part)}"

    def tidy(self, part):
        """Remove what a process that was killed just after it had published the part left of its work."""
        if self._work(part).is_dir() and self.finished(part):
            with self.claim(part) as mine:
                if mine:
                    shutil.rmtree(self._work(part), ignore_errors=True)

    def publish(self, part, tables, arrays, facts, files=()):
        """Move a finished part into place; a damaged one that is there is put aside as NAME.damaged.

        Parameters
        ----------
        tables : dict of str to DataFrame
            Written as NAME.parquet.
        arrays : dict of str to dict
            Written as NAME.npz.
        facts : dict
            Further plain values for part.json, e.g. how long it took; no part depends on them.
        files : iterable of path
            Files of the work folder to keep.
        """
        def fill(folder):
            for name, table in tables.items():
                write_parquet(table, folder / f"{name}.parquet")
            for name, content in arrays.items():
                np.savez_compressed(folder / f"{name}.npz", **content)
            for file in files:
                shutil.copyfile(file, folder / Path(file).name)

        for stray in self.folder.glob(f".{self.name(part)}.*.partial"):  # of a process that was killed
            shutil.rmtree(stray, ignore_errors=True)
        if os.path.lexists(self.path(part)):
            os.replace(self.path(part), _free(self.path(part).with_suffix(".damaged")))
        self.store.add(self.name(part), fill, kind=part.kind, inputs=part.inputs, made_by=made_by(),
                       versions=_versions(), **facts)
        shutil.rmtree(self._work(part), ignore_errors=True)

    def table(self, part, name):
        """Return a table of a finished part."""
        return read_parquet(self.path(part) / f"{name}.parquet")

    def arrays(self, part, name):
        """Return arrays of a finished part as a dict."""
        return read_npz(self.path(part) / f"{name}.npz")

    def record(self, part):
        """Return part.json."""
        return json.loads((self.path(part) / RECORD).read_text())


def _read(folder):
    """Return the record of a part's folder, None where it has none that can be read."""
    with contextlib.suppress(FmdiagError):
        return read_document(folder / RECORD, Record)
    return None


def _versions():
    return {"torch": str(torch.__version__), "numpy": np.__version__}


def _free(path):
    """Return `path`, or the first of path-2, path-3, ... that is not there."""
    number = 1
    while os.path.lexists(path if number == 1 else f"{path}-{number}"):
        number += 1
    return path if number == 1 else Path(f"{path}-{number}")

"""What is one part of a study, and where is it kept once it is finished?

A part is a dict of plain values that decide its outcome; its name is their hash. A finished part is a folder of that
name, moved into place whole, and never touched again: the same inputs are never computed twice, in this study or in
another that keeps its parts in the same place.
"""

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmdiag.studies.claims import claim

RECORD = "part.json"


@dataclass(frozen=True)
class Part:
    """One training run with its measurements, or the reference values of one training set.

    Parameters
    ----------
    kind : str
        ``"training"`` or ``"reference"``.
    inputs : dict
        Plain values that decide the outcome, and nothing that does not.
    """

    kind: str
    inputs: dict

    @property
    def key(self):
        """Return the name of the part: a hash of its kind and inputs."""
        text = json.dumps([self.kind, self.inputs], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]


class PartStore:
    """Finished parts and the work on unfinished ones, below one folder.

    Parameters
    ----------
    folder : path
        ``KEY/`` for each finished part (part.json, tables as Parquet, arrays, checkpoint), ``.work-KEY/`` for one that
        is under way, ``.locks/`` for claims.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def path(self, part):
        """Return the folder of a finished part."""
        return self.folder / part.key

    def finished(self, part):
        """Return whether the part is there."""
        return (self.path(part) / RECORD).is_file()

    def claim(self, part):
        """Return a context that yields whether this process may work on the part."""
        return claim(self.folder / ".locks" / part.key)

    @contextlib.contextmanager
    def work(self, part):
        """Yield the folder in which the part is made; what an interrupted process left there is still in it."""
        folder = self.folder / f".work-{part.key}"
        folder.mkdir(parents=True, exist_ok=True)
        yield folder

    def tidy(self, part):
        """Remove what a process that was killed just after it had published the part left of its work."""
        folder = self.folder / f".work-{part.key}"
        if folder.is_dir() and self.finished(part):
            with self.claim(part) as mine:
                if mine:
                    shutil.rmtree(folder, ignore_errors=True)

    def publish(self, part, tables, arrays, facts, files=()):
        """Move a finished part into place.

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
        staged = self.folder / f".work-{part.key}" / "finished"
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        for name, table in tables.items():
            table.to_parquet(staged / f"{name}.parquet", index=False)
        for name, content in arrays.items():
            np.savez_compressed(staged / f"{name}.npz", **content)
        for file in files:
            os.replace(file, staged / Path(file).name)
        record = {"kind": part.kind, "inputs": part.inputs, **facts}
        (staged / RECORD).write_text(json.dumps(record, indent=1) + "\n")
        os.replace(staged, self.path(part))
        shutil.rmtree(self.folder / f".work-{part.key}", ignore_errors=True)

    def table(self, part, name):
        """Return a table of a finished part."""
        return pd.read_parquet(self.path(part) / f"{name}.parquet")

    def arrays(self, part, name):
        """Return arrays of a finished part as a dict."""
        with np.load(self.path(part) / f"{name}.npz") as arrays:
            return {key: arrays[key] for key in arrays.files}

    def record(self, part):
        """Return part.json."""
        return json.loads((self.path(part) / RECORD).read_text())

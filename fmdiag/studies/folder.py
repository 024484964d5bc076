"""The folder of a study: what it is a study of (study.json), its finished parts, and the run that they make so far.

study.json    kind and all inputs, written once; another study, or other inputs, are refused
parts/        see `fmdiag.studies.parts`
run.json, tables/, figures/, index.html     made anew from the finished parts, each file replaced in one move
"""

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import TypedDict

from fmdiag.errors import FmdiagError
from fmdiag.files.destination import check_name, check_place
from fmdiag.files.documents import as_json, read_document
from fmdiag.files.lock import claim
from fmdiag.files.marker import FILE as MARKER
from fmdiag.files.marker import note_files, read_marker, write_marker
from fmdiag.files.staged import partial_folder
from fmdiag.results import check_writable, load_run, replace_atomically, save_table

VERSION, FILE, KIND = 1, "study.json", "study"


class Data(TypedDict):
    """What of a study's data is named in messages."""

    fingerprint: str
    name: str
    n_stored: int


class Inputs(TypedDict):
    """What of `Plan.inputs()` is looked at; the rest is only compared."""

    kind: str
    data: Data


class Study(TypedDict):
    """study.json."""

    format: str
    version: int
    inputs: Inputs


class StudyFolder:
    """The folder of one study.

    Parameters
    ----------
    path : path
        Existing study of the same inputs, an empty folder, or one to be made.
    inputs : dict
        ``Plan.inputs()``.
    change : bool
        Whether an existing study of the same kind may go on with other inputs; its finished parts stay.

    Raises
    ------
    FmdiagError
        If the folder holds another study or something else, or cannot be written.

    Attributes
    ----------
    word : str
        What it is a folder of: in its marker, in the format of its file, in messages.
    file : str
        The file of its inputs.
    way_on : str
        What else a message on other inputs advises.
    """

    word, file = KIND, FILE
    way_on = (", another --out, or --change to go on with the new inputs (finished parts whose own inputs are "
              "unchanged are kept)")

    def __init__(self, path, inputs, *, change=False):
        self.path, self.inputs = Path(path), inputs
        self._check_place()
        # Several processes may begin the same study together: one writes, the others read what it wrote.
        with self._locked("begin"):
            found = self._read()
            changed = found is None or unnamed(found) != unnamed(inputs)
            if found is not None and changed:
                self._refuse(found, change)
            if read_marker(self.path) is None:
                write_marker(self.path, self.word, [])
            if changed:
                content = {"format": f"fmdiag-{self.word}", "version": VERSION, "inputs": inputs}
                text = json.dumps(content, indent=1) + "\n"
                replace_atomically(self.path / self.file, lambda temporary: Path(temporary).write_text(text))
                note_files(self.path, [self.path / self.file])

    @classmethod
    def check(cls, path, inputs, *, change=False):
        """Raise FmdiagError where the study cannot be begun or go on in this folder; nothing is written."""
        folder = cls.__new__(cls)
        folder.path, folder.inputs = Path(path), inputs
        folder._check_place()
        folder._check_content()
        found = folder._read()
        if found is not None and unnamed(found) != unnamed(inputs):
            folder._refuse(found, change)

    def _check_place(self):
        check_name(self.path)
        if os.path.lexists(self.path) and not (self.path / self.file).is_file():
            check_place(self.path)
        check_writable(self.path / self.file)

    def _check_content(self):
        if self.path.exists() and not (self.path / self.file).is_file():
            ours = (".locks", f".{self.file}.", MARKER, f".{MARKER}.")  # of a process that begins the same study
            others = [entry.name for entry in self.path.iterdir() if not entry.name.startswith(ours)]
            if others:
                raise FmdiagError(f"{self.path} exists and is no {self.word} folder: choose another --out")

    @contextlib.contextmanager
    def _locked(self, name):
        self._check_content()
        with claim(self.path / ".locks" / name, wait=True):
            yield

    def _read(self):
        file = self.path / self.file
        if not file.is_file():
            return None
        then = f"it is not that of a {self.word} of this fmdiag: choose another --out"
        content = read_document(file, Study, then=then)
        if (content["format"], content["version"]) != (f"fmdiag-{self.word}", VERSION):
            raise FmdiagError(f"{file}: {then}")
        return content["inputs"]

    def _refuse(self, found, change):
        if found["kind"] != self.inputs["kind"]:
            raise FmdiagError(f"{self.path} holds a study of {found['kind']}, not of {self.inputs['kind']}: choose "
                              "another --out")
        if found["data"]["fingerprint"] != self.inputs["data"]["fingerprint"]:
            raise FmdiagError(f"{self.path} holds a {self.word} of other data ({found['data']['name']}, "
                              f"{found['data']['n_stored']} rows): give the same data, or choose another --out")
        if not change:
            found, own = unnamed(found), unnamed(self.inputs)
            name = next((name for name in own if found.get(name) != own[name]), "further inputs")
            raise FmdiagError(f"{self.path}: the {self.word} was begun with {name} {_short(found.get(name))}, got "
                              f"{_short(own.get(name))}: give the same{self.way_on}")

    def write(self, tables, arrays, record, finish):
        """Replace run.json, tables, figures and page by those of the finished parts.

        Parameters
        ----------
        tables, arrays : dict
            Name -> DataFrame, and name -> dict of arrays.
        record : dict
            run.json.
        finish : callable
            Called with the staged folder to draw figures and write the page.
        """
        with self._locked("gather"):
            for stray in self.path.glob(".gather.*.partial"):  # of a process that was killed
                shutil.rmtree(stray, ignore_errors=True)
            with partial_folder(self.path / "gather") as staged:
                for name, table in tables.items():
                    save_table(staged, name, table)
                if arrays:
                    (staged / "arrays").mkdir()
                for name, content in arrays.items():
                    _save_arrays(staged / "arrays" / f"{name}.npz", content)
                (staged / "run.json").write_text(as_json(record, indent=1) + "\n")
                finish(staged)
                note_files(self.path, self._move(staged))

    def _move(self, staged):
        """Move every file to its place and return the places."""
        targets = []
        for file in sorted(path for path in staged.rglob("*") if path.is_file()):
            targets.append(self.path / file.relative_to(staged))
            targets[-1].parent.mkdir(exist_ok=True)
            os.replace(file, targets[-1])
        return targets

    def started(self):
        """Return when the study was begun, or None."""
        with contextlib.suppress(FmdiagError):
            return load_run(self.path).get("started")
        return None


def _save_arrays(file, content):
    import numpy as np

    np.savez_compressed(file, **content)


def unnamed(inputs):
    """Return inputs without the name of the data, which depends on the place that they are looked at from."""
    return {**inputs, "data": {key: value for key, value in inputs["data"].items() if key != "name"}}


def _short(value):
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."

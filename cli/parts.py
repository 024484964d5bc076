"""What of an interrupted run need not be computed again? Its finished parts, kept beside the output until it is whole.

``.NAME.parts/KEY/`` holds what one diagnostic wrote (tables, arrays, summary rows, facts), ``KEY.npz`` arrays such as a
batch of samples. A part is moved into place whole, and is plain values: reading it runs nothing.
"""

import glob
import json
import os
import shutil
import zipfile
from pathlib import Path

import click

from .lock import Lock, in_use

RECORD, SUMMARY, WHOLE = "part.json", "summary.parquet", ".whole"


def parts_folder(out):
    """Return where the parts of the run `out` are kept."""
    return Path(out).parent / f".{Path(out).name}.parts"


def is_taken(out):
    """Return whether another process writes the run `out`."""
    return in_use(parts_folder(out) / "lock")


class Parts:
    """The finished parts of a run under way; a context manager that holds the run's lock.

    Parameters
    ----------
    folder : RunFolder
        The run folder under construction, entered.
    """

    def __init__(self, folder):
        self.run, self.path = folder, parts_folder(folder.out)
        self.lock = Lock(self.path / "lock", folder.out)
        self.said = set()

    def __enter__(self):
        """Take the lock, and remove what processes that were killed left of their run folders."""
        self.lock.acquire()
        strays = {*beside(self.run.out, "partial"), *self.path.glob(".*.partial")} - {self.run.path}
        for stray in strays:
            shutil.rmtree(stray, ignore_errors=True) if stray.is_dir() else stray.unlink(missing_ok=True)
        return self

    def __exit__(self, kind, error, traceback):
        """After a failure keep what is finished, and say so; after a success `finish` is called."""
        if kind is None:
            return
        finished = [entry for entry in self.path.iterdir() if entry.name != "lock" and entry.name[0] != "."]
        if finished:
            click.echo(f"kept what was finished in {self.path}/: the same command goes on from there", err=True)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
        self.lock.release()

    def about_to_publish(self):
        """Note which folder is the whole run: killed between its renaming and `finish`, its parts are known as done."""
        with self.run._writing("a finished part"):
            (self.path / WHOLE).write_text(str(self.run.path.stat().st_ino))

    def finish(self):
        """Remove all parts: the run that they are of is whole."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.lock.release()

    def say(self, name):
        """Say that a part of an interrupted run is used, once for all batches of one kind."""
        if name not in self.said:
            self.said.add(name)
            click.echo(f"resumed: {name} from {self.path}/", err=True)

    def array(self, name, key, compute):
        """Return the array that `compute` makes, computed once whatever interrupts the run."""
        import numpy as np

        from fmdiag.results import replace_atomically

        file = self.path / f"{key}.npz"
        try:
            with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                found = arrays["array"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # not there, or not whole
            found = compute()

            def write(temporary):
                with open(temporary, "wb") as stream:
                    np.savez(stream, array=found)

            with self.run._writing(f"part {name}"):
                replace_atomically(file, write)
            return found
        self.say(name)
        return found

    def has(self, key):
        """Return whether a diagnostic's part is there."""
        return (self.path / key / RECORD).is_file()

    def save(self, session, key, before):
        """Keep what a diagnostic added to the session since `before`, a `state`."""
        partial, new = self.path / f".{key}.partial", self.run.summaries[before["summaries"]:]
        with self.run._writing("a finished part"):
            partial.mkdir()
            for file in sorted(set(files_of(self.run.path)) - before["files"]):
                _link(self.run.path / file, partial / file)
            for k, summary in enumerate(new):
                summary.to_parquet(partial / f"{k}-{SUMMARY}", index=False)
            record = {"summaries": len(new), **added(session, before)}
            (partial / RECORD).write_text(json.dumps(record, default=str))
            os.replace(partial, self.path / key)
        # A run that was never interrupted goes on from the same rows as one that was.
        self.run.summaries[before["summaries"]:] = self._summaries(key, len(new))

    def restore(self, session, name, key):
        """Give the session what a finished part holds."""
        folder, record = self.path / key, json.loads((self.path / key / RECORD).read_text())
        with self.run._writing(f"part {name}"):
            for file in files_of(folder):
                if len(file.parts) > 1:
                    _link(folder / file, self.run.path / file)
        self.run.summaries += self._summaries(key, record["summaries"])
        session.parameters |= record["parameters"]
        session.facts |= record["facts"]
        _cautions(session).extend(record["warnings"])
        self.say(name)

    def _summaries(self, key, n):
        import pandas as pd

        return [pd.read_parquet(self.path / key / f"{k}-{SUMMARY}") for k in range(n)]


def state(session):
    """Return what a session holds before a diagnostic."""
    return {"files": set(files_of(session.folder.path)), "summaries": len(session.folder.summaries),
            "parameters": set(session.parameters), "facts": dict(session.facts), "warnings": len(_cautions(session))}


def added(session, before):
    """Return what was added to a session since `state`, as plain values."""
    return {"parameters": {k: v for k, v in session.parameters.items() if k not in before["parameters"]},
            "facts": {k: v for k, v in session.facts.items() if before["facts"].get(k, ...) != v},
            "warnings": _cautions(session)[before["warnings"]:]}


def files_of(folder):
    """Return the files below a folder, relative to it, sorted."""
    return sorted(path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file())


def beside(out, suffix):
    """Return the temporary folders of the run `out` that are there."""
    return list(Path(out).parent.glob(f".{glob.escape(Path(out).name)}.*.{suffix}"))


def recover(out):
    """Clear up after a run that was killed while it was given its name.

    An earlier run that --overwrite had put aside gets its name back where its successor has not got it; parts of a run
    that is whole are removed.
    """
    out = Path(out)
    if is_taken(out):
        return
    whole = parts_folder(out) / WHOLE
    if whole.is_file() and out.is_dir() and whole.read_text() == str(out.stat().st_ino):
        shutil.rmtree(whole.parent, ignore_errors=True)
    for aside in beside(out, "old"):
        if not out.exists() and (aside / "run").is_dir():
            os.replace(aside / "run", out)
        shutil.rmtree(aside, ignore_errors=True)


def _cautions(session):
    return session.checkpoint.description.setdefault("warnings", []) if session.checkpoint is not None else []


def _link(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

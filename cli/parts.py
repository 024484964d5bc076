"""What of an interrupted run need not be computed again? Its finished parts, kept beside the output until it is whole.

``.NAME.parts/KEY/`` holds what one diagnostic wrote (tables, arrays, summary rows, facts), ``KEY.npz`` arrays such as a
batch of samples. A part is moved into place whole, and is plain values: reading it runs nothing. One that was damaged,
as by a machine that died, is made again.
"""

import json
import os
import re
import shutil
import warnings
from pathlib import Path

from fmdiag.errors import FmdiagError, FmdiagWarning, causes
from fmdiag.files.documents import as_json, is_sealed, read_document, sealed

from .echo import echo
from .lock import Lock
from .part_content import RECORD, added, cautions, files_of, sums

SUMMARY, WHOLE, LOCK = "summary.parquet", ".whole", "lock"
# A part, an array, either under construction, or the mark of a whole run; anything else in the folder is not ours.
OURS = re.compile(r"\.?[0-9a-f]{24}(\.npz)?(\.[a-z0-9_]{8})?(\.partial)?|\.whole")


def parts_folder(out):
    """Return where the parts of the run `out` are kept."""
    return Path(out).parent / f".{Path(out).name}.parts"


class Parts:
    """The finished parts of a run under way; a context manager that holds the run's lock.

    It is entered before the run folder, so that it is left after that has got its name.

    Parameters
    ----------
    out : path
        Destination of the run.
    kind : str
        Of the folder that is to be made there, as in `fmdiag.files.marker.Marker`.
    """

    def __init__(self, out, kind="run"):
        self.out, self.path, self.kind = Path(out), parts_folder(out), kind
        self.lock, self.run, self.said = Lock(self.path / LOCK, out), None, set()

    def __enter__(self):
        """Take the lock, and clear up after processes that were killed."""
        from fmdiag.results import check_destination

        check_destination(self.out, self.kind, overwrite=True)  # refuses what no run may replace
        self.lock.acquire()
        try:
            if self.lock.held:
                self._clear_up()
            self.earlier = set(self._entries())
        except BaseException:
            self.lock.release()
            raise
        return self

    def of(self, folder):
        """Tell that the RunFolder of this run has been entered."""
        self.run = folder

    def __exit__(self, kind, error, traceback):
        """After a success remove all parts: the run is whole. After a failure keep what is finished, and say so.

        Wrong input leaves nothing behind but what it found.
        """
        wrong = kind is not None and is_wrong_input(error)
        if kind is None or wrong:
            self._remove_all(but=self.earlier if wrong else set())
        finished = [path for path in self._entries() if path.name[0] != "."]
        if finished and not wrong and self.run is not None:
            echo(f"kept what was finished in {self.path}/: the same command goes on from there", err=True)
        if not finished:
            self._remove_all()
        self.lock.release()
        if not finished:  # not by the lock where an earlier process made the folder; another may be in it by now
            _rmdir(self.path)

    def _entries(self):
        """Return what is in the folder, the mark of a whole run last: while parts are left, it is known as whole."""
        found = [path for path in self.path.glob("*") if OURS.fullmatch(path.name)]
        return sorted(found, key=lambda path: path.name == WHOLE)

    def _remove_all(self, but=()):
        for path in self._entries():
            if path not in but:
                _remove(path)

    def _clear_up(self):
        """Give an earlier run that --overwrite had put aside its name back where its successor has not got it.

        Folders under construction are removed, and the parts of a run that was whole when its process was killed.
        """
        from fmdiag.files.staged import remove_retired

        marker = self.path / WHOLE
        if marker.is_file() and self.out.is_dir() and marker.read_text() == _identity(self.out):
            self._remove_all()
        marker.unlink(missing_ok=True)
        for aside in beside(self.out, "old"):
            if not os.path.lexists(self.out) and (aside / "run").is_dir():
                os.replace(aside / "run", self.out)
            remove_retired(aside)
        for stray in [*beside(self.out, "partial"), *self._entries()]:
            if stray.suffix == ".partial":
                _remove(stray)

    def about_to_publish(self):
        """Note which folder is the whole run: killed between its renaming and the end, its parts are known as done."""
        with self.run.writing("a finished part"):
            (self.path / WHOLE).write_text(_identity(self.run.path))

    def say(self, name):
        """Say that a part of an interrupted run is used, once for all batches of one kind."""
        if name not in self.said:
            self.said.add(name)
            echo(f"resumed: {name} from {self.path}/", err=True)

    def array(self, name, key, compute):
        """Return the array that `compute` makes, computed once whatever interrupts the run."""
        import numpy as np

        from fmdiag.errors import FmdiagError
        from fmdiag.files.npz import read_npz
        from fmdiag.results import replace_atomically

        file = self.path / f"{key}.npz"
        try:
            found = read_npz(file, ["array"])["array"]
        except FmdiagError:  # not there, or not whole
            found = compute()

            def write(temporary):
                with open(temporary, "wb") as stream:
                    np.savez(stream, array=found)

            with self.run.writing(f"part {name}"):
                replace_atomically(file, write)
            return found
        self.say(name)
        return found

    def has(self, key):
        """Return whether a diagnostic's part is there and whole; what is left of a damaged one is removed."""
        folder = self.path / key
        try:
            record = read_document(folder / RECORD, dict)
            whole = is_sealed(record) and record["files"] == sums(folder)
        except (OSError, FmdiagError):
            whole = False
        if not whole:
            _remove(folder)
        return whole

    def save(self, session, key, before, heard):
        """Keep what a diagnostic added to the session since `before`, a `state`, and the warnings that were heard."""
        from fmdiag.results.tables import write_parquet

        partial, new = self.path / f".{key}.partial", self.run.summaries[before["summaries"]:]
        with self.run.writing("a finished part"):
            partial.mkdir()
            for file in sorted(set(files_of(self.run.path)) - before["files"]):
                _link(self.run.path / file, partial / file)
            for k, summary in enumerate(new):
                write_parquet(summary, partial / f"{k}-{SUMMARY}")
            record = {"files": sums(partial), "summaries": len(new), "heard": heard, **added(session, before)}
            (partial / RECORD).write_text(as_json(sealed(record)))
            os.replace(partial, self.path / key)
        # A run that was never interrupted goes on from the same rows as one that was.
        self.run.summaries[before["summaries"]:] = self._summaries(key, len(new))

    def restore(self, session, name, key):
        """Give the session what a finished part holds, and repeat its warnings."""
        folder, record = self.path / key, json.loads((self.path / key / RECORD).read_text())
        with self.run.writing(f"part {name}"):
            for file in files_of(folder):
                if len(file.parts) > 1:
                    _link(folder / file, self.run.path / file)
        self.run.summaries += self._summaries(key, record["summaries"])
        session.parameters |= record["parameters"]
        session.facts |= record["facts"]
        cautions(session).extend(record["warnings"])
        self.say(name)
        for text in record["heard"]:
            warnings.warn(text, FmdiagWarning, stacklevel=2)

    def _summaries(self, key, n):
        from fmdiag.results.tables import read_parquet

        return [read_parquet(self.path / key / f"{k}-{SUMMARY}") for k in range(n)]


def is_wrong_input(error):
    """Return whether an error is one that the same command would come to again; not a full disk, nor a lost rank."""
    return type(error) is FmdiagError and not any(isinstance(cause, OSError) for cause in causes(error))


def beside(out, suffix):
    """Return the temporary folders of the run `out` that are there; not those of a run `out`.more."""
    name = re.compile(rf"\.{re.escape(Path(out).name)}\.[a-z0-9_]{{8}}\.{suffix}")
    return [path for path in Path(out).parent.iterdir() if name.fullmatch(path.name)]


def _identity(folder):
    status = os.stat(folder)
    return f"{status.st_dev} {status.st_ino}"


def _remove(path):
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _rmdir(path):
    try:
        path.rmdir()
    except OSError:
        pass


def _link(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

"""Parts of a run under way: its lock and its finished results, kept beside the output until it is whole.

``.NAME.parts/`` is a store (`fmdiag.files.store`) of saved Results, and of arrays such as a batch of samples. One that
was damaged, as by a machine that died, is made again.
"""

import contextlib
import logging
import os
import re
import shutil
from pathlib import Path

import numpy as np

from fmdiag.errors import FmdiagError
from fmdiag.files.destination import check_destination
from fmdiag.files.lock import Lock, LockedError
from fmdiag.files.npz import read_npz
from fmdiag.files.replace import remedy
from fmdiag.files.staged import remove_retired
from fmdiag.files.store import Store
from fmdiag.results import Result

WHOLE, LOCK, ARRAY = ".whole", "lock", "array.npz"
# A part, one under construction, work folders, or the mark of a whole run; nothing else is ours.
OURS = re.compile(r"\.?[0-9a-f]{24}(\.[a-z0-9_]{8})?(\.partial)?|work-[a-z-]+-[0-9a-f]{24}|\.whole")


class Parts:
    """The finished parts of a run under way, and the right to write to its output.

    Parameters
    ----------
    out : path
        Destination of the run.
    kind : str
        Of the folder that is to be made there, as in `fmdiag.files.marker.Marker`.
    """

    def __init__(self, out, kind="run"):
        self.out, self.kind = Path(out), kind
        self.path = self.out.parent / f".{self.out.name}.parts"
        self.store = Store(self.path)
        self.lock, self.earlier, self.announced = Lock(self.path / LOCK, self.out), set(), set()

    def open(self):
        """Take the lock, and clear up after processes that were killed.

        Raises
        ------
        FmdiagError
            If another process has the lock, or nothing can be written there.
        """
        check_destination(self.out, self.kind, overwrite=True)  # refuses what no run may replace
        self.lock.acquire()
        try:
            if self.lock.held:
                self._clear_up()
            self.earlier = set(self._entries())
        except BaseException:
            self.lock.release()
            raise

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, kind, error, traceback):
        self.close(remove="new" if kind is not None else "all")

    def close(self, remove=None):
        """Let go of the lock; remove the parts ``"new"`` in this process, or ``"all"``; say which are kept."""
        if remove is not None:
            self._remove_all(but=self.earlier if remove == "new" else set())
        finished = [path for path in self._entries() if path.name[0] != "."]
        if finished and remove is None:
            _say(f"kept what was finished in {self.path}/: the same run goes on from there")
        if not finished:
            self._remove_all()
        self.lock.release()
        if not finished:  # not by the lock where an earlier process made the folder; another may be in it by now
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def result(self, name, key):
        """Return the Result that was kept under a key, or None; what is left of a damaged one is removed."""
        return self._found(name, key, Result.load)

    def keep(self, key, result):
        """Keep a Result; return it as it is read back."""
        with self.writing("a finished part"):
            _remove(self.store.path(key))
            return Result.load(self.store.add(key, result.save))

    def array(self, name, key, compute):
        """Return the array that `compute` makes, computed once whatever interrupts the run."""
        found = self._found(name, key, lambda folder: read_npz(folder / ARRAY, ["array"])["array"])
        if found is None:
            found = compute()
            with self.writing(f"part {name}"):
                self.store.add(key, lambda folder: np.savez(folder / ARRAY, array=found))
        return found

    def _found(self, name, key, load):
        """Return what was kept under a key, or None; what is left of a damaged one is removed."""
        if self.store.find(key) is not None:
            with contextlib.suppress(FmdiagError):  # of a format that this version does not read
                found = load(self.store.path(key))
                self._resumed(name)
                return found
        _remove(self.store.path(key))
        return None

    def work(self, name):
        """Return the folder `name` among the parts, made where it is not there."""
        folder = self.path / name
        with self.writing("a work folder"):
            folder.mkdir(exist_ok=True)
        return folder

    def clear(self):
        """Remove all parts: the run is whole."""
        self._remove_all()

    def about_to_publish(self, folder):
        """Note which folder is the whole run: killed between its renaming and the end, its parts are known as done."""
        with self.writing("a finished part"):
            (self.path / WHOLE).write_text(_identity(folder))

    @contextlib.contextmanager
    def writing(self, what):
        """Raise an OSError from within as an FmdiagError that names the output."""
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error
            raise FmdiagError(f"{self.out}: {what} cannot be written ({reason}); {remedy(error)}") from error

    def _resumed(self, name):
        """Say that a part of an interrupted run is used, once for all batches of one kind."""
        if self.earlier and name not in self.announced:
            self.announced.add(name)
            _say(f"resumed: {name} from {self.path}/")

    def _entries(self):
        """Return what is in the folder, the mark of a whole run last: while parts are left, it is known as whole."""
        found = [path for path in self.path.glob("*") if OURS.fullmatch(path.name)]
        return sorted(found, key=lambda path: path.name == WHOLE)

    def _remove_all(self, but=()):
        for path in self._entries():
            if path not in but:
                _remove(path)

    def _clear_up(self):
        """Give an earlier run that was put aside its name back where its successor has not got it.

        Folders under construction are removed, and the parts of a run that was whole when its process was killed.
        """
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


def first_free(stack, paths, kind):
    """Enter, on an ExitStack, the Parts of the first path that is neither there nor being written; return them."""
    for path in paths:
        if not os.path.lexists(path):
            with contextlib.suppress(LockedError):
                return stack.enter_context(Parts(path, kind))
    raise FmdiagError("every name for the folder is taken: choose one by --out")


def beside(out, suffix):
    """Return the temporary folders of the run `out` that are there; not those of a run `out`.more."""
    name = re.compile(rf"\.{re.escape(Path(out).name)}\.[a-z0-9_]{{8}}\.{suffix}")
    above = Path(out).parent
    return [path for path in above.iterdir() if name.fullmatch(path.name)] if above.is_dir() else []


def _identity(folder):
    status = os.stat(folder)
    return f"{status.st_dev} {status.st_ino}"


def _say(text):
    logging.getLogger("fmdiag").info(text)


def _remove(path):
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

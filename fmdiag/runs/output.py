"""Output of a run: a lock, the finished results that an interrupted run keeps, and the run folder once it is saved."""

import atexit
import contextlib
import shutil
import sys
import tempfile
import weakref
from pathlib import Path

import torch

from fmdiag.errors import FmdiagError, causes
from fmdiag.files.destination import check_destination
from fmdiag.files.lock import LockedError
from fmdiag.files.marker import read_marker
from fmdiag.registry import resolve
from fmdiag.runs.earlier import earlier_result, run_key
from fmdiag.runs.page import Page
from fmdiag.runs.parts import Parts
from fmdiag.runs.publish import filled, written

# Outputs of this process that hold a lock, by run folder.
_OPEN = weakref.WeakValueDictionary()


class TakenError(FmdiagError):
    """Raised where a run folder is there already."""


class Nowhere:
    """The output of a run that writes nothing, or of a rank that does not speak."""

    out = None

    def begin(self, run):
        """Do nothing."""

    def find(self, name, key):
        """Return None: nothing was kept."""

    def keep(self, key, result):
        """Return the result as it is."""
        return result

    def drawing_ahead(self):
        """Return a context that does nothing."""
        return contextlib.nullcontext()

    def finished(self, name, key, record):
        """Return the record as it is."""
        return record

    def array(self, name, key, compute):
        """Return the array that `compute` makes."""
        return compute()

    def work(self, name):
        """Return a folder that goes with the process."""
        folder = Path(tempfile.mkdtemp(prefix=f"fmdiag-{name}-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # a Result may name files in it
        return folder

    def abandon(self, error):
        """Do nothing."""

    def close(self):
        """Do nothing."""

    def publish(self, run, *, page, document):
        """Return the page made in a folder that is removed again."""
        folder = Path(tempfile.mkdtemp(prefix="fmdiag-"))
        try:
            filled(folder, run, page=page, document=document)
            return Page.of(folder, document, keep=False)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class Output:
    """A run folder and what is kept beside it while the run is under way.

    Parameters
    ----------
    out : path
        Run folder.
    overwrite : bool
        Whether an earlier run of other inputs may be replaced.
    new : bool
        Whether a folder that is there is refused, even one of a run of the same inputs.

    Raises
    ------
    FmdiagError
        If `out` holds something that is no run, cannot be written, or another process writes there.
    """

    def __init__(self, out, *, overwrite=False, new=False):
        self.out, self.overwrite, self.mine, self.ahead = Path(out), overwrite, False, None
        if new and self.out.exists() and not overwrite:
            _clear_up(self.out)
            raise TakenError(f"{self.out} exists: choose another --out, or --overwrite to replace that run")
        self.parts, self.open = Parts(self.out), True
        if not new:
            _let_go(self.out)
        self.parts.open()
        _OPEN[self.out.absolute()] = self
        try:
            if new or overwrite or read_marker(self.out) is None:
                check_destination(self.out, "run", overwrite=overwrite)
        except BaseException:
            self._close(remove="new")
            raise

    def begin(self, run):
        """Go on from a whole run of the same inputs that is there; one of others is refused unless `overwrite`."""
        if self.overwrite or not self.out.exists():
            return
        if run_key(self.out) != run.key:
            raise FmdiagError(f"{self.out} exists and is a run of other inputs: choose another --out, or --overwrite")
        self.mine = True

    def find(self, name, key):
        """Return the Result kept under a key, here or in the run that is there, or None."""
        found = self.parts.result(name, key)
        return found or (earlier_result(self.out, name, key) if self.mine else None)

    def keep(self, key, result):
        """Keep a Result and return it as it is read back, so that an interrupted run goes on from the same bits."""
        self._check()
        return self.parts.keep(key, result)

    @contextlib.contextmanager
    def drawing_ahead(self):
        """Within the context, draw what is finished beside the measuring where this process may use two cores."""
        if torch.get_num_threads() < 2 or not sys.executable:
            yield
            return
        with resolve("fmdiag.figures.ahead:Ahead")() as self.ahead:
            try:
                yield
            finally:
                self.ahead = None

    def finished(self, name, key, record):
        """Know that a Result is kept and belongs to the run, whose record so far is given and returned."""
        if self.ahead is not None and self.parts.store.find(key) is not None:
            self.ahead.draw(name, self.parts.store.path(key), record)
        return record

    def array(self, name, key, compute):
        """Return the array that `compute` makes, computed once."""
        self._check()
        return self.parts.array(name, key, compute)

    def work(self, name):
        """Return a folder among the parts."""
        self._check()
        return self.parts.work(name)

    def abandon(self, error):
        """Wrong input leaves nothing behind but what it found; anything else leaves what is finished."""
        self._close(remove="new" if is_wrong_input(error) else None)

    def close(self):
        """Let go of the lock; what was finished and not saved stays."""
        self._close()

    def _close(self, remove=None):
        # Once: what is there afterwards may be another run's.
        if self.open:
            self.open = False
            self.parts.close(remove=remove)

    def _check(self):
        if not self.open:
            raise FmdiagError(f"{self.out}: this Run has let go of its folder, as it does when it is closed or made "
                              "again: use the new one, or make it again with the same lines; it goes on from what is "
                              "finished")

    def publish(self, run, *, page, document):
        """Write the run folder whole, in place of an earlier one of this run; return its Page."""
        self._check()
        written(self.out, run, page=page, document=document, overwrite=self.overwrite or self.mine,
                ahead=self.ahead, ready=self.parts.about_to_publish)
        self.overwrite, self.mine = False, True
        for result in run.results.values():  # the parts that they were in are removed
            result.files = {name: self.out / name for name in result.files}
        self.parts.clear()
        return Page.of(self.out, document)


def _let_go(out):
    """Take a folder from an earlier Run of this process, as where the cell of a notebook is run twice."""
    earlier = _OPEN.pop(out.absolute(), None)
    if earlier is not None:
        earlier.close()


def _clear_up(out):
    """Take away what a run that was killed after it was whole left beside it; finished parts of another run stay."""
    parts = Parts(out)
    if parts.path.is_dir():
        parts.open()
        parts.close(remove="new")


def first_free(folders, *, overwrite=False):
    """Return the Output in the first of `folders` that is neither there nor being written by another process."""
    for out in folders:
        try:
            return Output(out, overwrite=overwrite, new=True)
        except (TakenError, LockedError):
            continue
    raise FmdiagError("every name for the run folder is taken: choose one by --out")


def is_wrong_input(error):
    """Return whether an error is one that the same run would come to again; not a full disk, nor a lost rank."""
    return type(error) is FmdiagError and not any(isinstance(cause, OSError) for cause in causes(error))

"""Looks that are kept: finished parts of a watch, by the content of a checkpoint, and the folder made of them."""

import contextlib
import datetime
import tempfile
import warnings

import pandas as pd

from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.figures import draw_all
from fmdiag.files.lock import Lock
from fmdiag.files.places import without_places
from fmdiag.monitoring.onset import NAME
from fmdiag.report import write_report
from fmdiag.studies.folder import StudyFolder, unnamed
from fmdiag.studies.parts import Part, PartStore

KIND = "look"


def part_of(inputs, content):
    """Return the Part of a look at a checkpoint of this content."""
    return Part(KIND, {**unnamed(inputs), "checkpoint": content})


class WatchFolder(StudyFolder):
    """The folder of a watch: as that of a study, its parts being looks."""

    word, file, way_on = NAME, "watch.json", ", or another --out"


class Unusable(FmdiagError):
    """Raised where the output folder of a watch cannot be used, whatever checkpoints come."""


class Kept:
    """The looks of one watch, below a folder or, where there is none, in one that goes with the watch.

    Parameters
    ----------
    out : path or None
    inputs : dict
        Plain values that decide every look, but for the checkpoint.

    Raises
    ------
    Unusable
        If `out` holds another watch or something else, cannot be written, or another process writes there.
    """

    def __init__(self, out, inputs):
        self.inputs, self.home, self.exit = unnamed(inputs), None, contextlib.ExitStack()
        if out is None:
            self.store = PartStore(self.exit.enter_context(tempfile.TemporaryDirectory(prefix="fmdiag-watch-")))
            return
        try:
            self.home = WatchFolder(out, inputs)
            lock = Lock(self.home.path / ".locks" / NAME, self.home.path)
            lock.acquire()
        except FmdiagError as error:
            raise Unusable(str(error)) from error
        self.exit.callback(lock.release)
        self.store = PartStore(self.home.path / "parts")

    def close(self):
        """Let go of the folder."""
        self.exit.close()

    def has(self, content):
        """Return whether a checkpoint of this content was looked at."""
        return self.store.finished(part_of(self.inputs, content))

    def add(self, content, table, **facts):
        """Keep a look, with look (its number), step, step_from, name (of the checkpoint) and seconds."""
        self.store.publish(part_of(self.inputs, content), {KIND: table}, {}, facts)

    def _mine(self):
        """Return the finished looks of this watch, in the order in which they were made."""
        return sorted(self._of_this_watch(self.store.kept(KIND)), key=lambda part: self.store.record(part)["look"])

    def _of_this_watch(self, parts):
        return [part for part in parts
                if {name: value for name, value in part.inputs.items() if name != "checkpoint"} == self.inputs]

    def warn_of_others(self):
        """Warn of looks that another fmdiag made at checkpoints that are gone: they are no part of the result."""
        others = self._of_this_watch(self.store.others(KIND))
        if others:
            warnings.warn(f"looks of this watch by another fmdiag, at checkpoints that are gone: {len(others)}; they "
                          "are kept but not shown", FmdiagWarning, stacklevel=3)

    def records(self):
        """Return the facts of all looks, in the order in which they were made."""
        return [self.store.record(part) for part in self._mine()]

    def looks(self):
        """Return one table of all looks, with look, checkpoint and step_from."""
        found = [(self.store.table(part, KIND), self.store.record(part)) for part in self._mine()]
        return pd.concat([table.assign(look=one["look"], checkpoint=one["name"], step_from=one["step_from"])
                          for table, one in found], ignore_index=True)

    def write(self, found, record, places):
        """Give a Result its record, and write tables, figures and page where there is a folder."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        started = self.home.started() if self.home is not None else None
        found.run = without_places({**record, "started": started or now, "gathered": now}, places)
        if self.home is not None:
            tables = {name: table for name, table in found.all_tables().items() if len(table)}
            self.home.write({**tables, "summary": found.summary}, {}, found.run, _draw)
        return found


def _draw(staged):
    draw_all(staged)
    write_report(staged)

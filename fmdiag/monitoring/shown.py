"""Where a monitor's looks go: tables, list of files and figure in its folder, and whatever logs."""

import time

from fmdiag.figures.monitor import along_training, save_picture
from fmdiag.monitoring.loggers import as_logger, scalars


class Shown:
    """The outputs of a monitor; what goes wrong with one is kept, and the others go on.

    Parameters
    ----------
    log : callable, SummaryWriter, or sequence of these, or None
        See `fmdiag.monitoring.loggers`.
    kept : LooksKept or None
        The folder.
    remarks : Remarks
        Where errors are kept.
    """

    def __init__(self, log, kept, remarks):
        self.loggers = [as_logger(one) for one in (log if isinstance(log, list | tuple) else [log]) if one is not None]
        self.kept, self.remarks = kept, remarks
        self.figure_seconds = 0.5    # what a figure is expected to take

    def look(self, rows, table, onsets):
        """Write the tables of all looks and their onsets, and log the scalars of the last one."""
        if self.kept is not None:
            self.remarks.attempt("writing the tables", lambda: self.kept.write(table, onsets))
        for one in self.loggers:
            self.remarks.attempt("logging", lambda one=one: one.scalars(scalars(rows), int(rows["step"].iloc[0])))

    def figure(self, table, step):
        """Draw all looks, log the figure and save it."""
        if len(table) and (self.loggers or self.kept):
            self.remarks.attempt("the figure", lambda: self._figure(table, step))

    def _figure(self, table, step):
        start, figure = time.perf_counter(), along_training(table)
        for one in self.loggers:
            self.remarks.attempt("logging", lambda one=one: one.figure(figure, step))
        if self.kept is not None:
            save_picture(figure, self.kept.folder / "figures" / "monitor.png")
        self.figure_seconds = time.perf_counter() - start

    def note(self):
        """Add what was written to the folder's list of files."""
        if self.kept is not None:
            self.remarks.attempt("the folder's list of files", self.kept.note)

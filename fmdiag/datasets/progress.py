"""Progress of decoding, on stderr: a bar on a terminal, a line every half minute elsewhere."""

import logging
import sys
import time

PLAIN_LINE_SECONDS = 30


class DecodingProgress:
    """Shows how many pictures of a set are decoded; a context manager.

    Parameters
    ----------
    name : str
        The set.
    total : int or None
        Number of pictures, if it is known.
    """

    def __init__(self, name, total):
        self.name, self.total, self.shown, self.bar = name, total, time.monotonic(), None

    def __enter__(self):
        if sys.stderr is not None and sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            self.bar = progress.Progress(*progress.Progress.get_default_columns(), progress.MofNCompleteColumn(),
                                         console=Console(stderr=True), transient=True)
            self.bar.start()
            self.task = self.bar.add_task("decoding", total=self.total)
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, done):
        """Show that `done` pictures are decoded."""
        if self.bar is not None:
            self.bar.update(self.task, completed=done)
        elif time.monotonic() - self.shown > PLAIN_LINE_SECONDS:
            self.shown = time.monotonic()
            of = "" if self.total is None else f" of {self.total}"
            logging.getLogger("fmdiag").info("%s: %d%s pictures decoded", self.name, done, of)

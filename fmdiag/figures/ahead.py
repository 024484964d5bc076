"""Process that draws the figures of finished results while others are measured, for a report on two cores or more.

A figure is taken over only if it asked for nothing but its own Result, so that it is the one that `draw_all` would draw
from the whole run; all others, and those that failed, are left to `draw_all`. The process yields to the measuring one,
ends with it, and whatever happens to it costs no more than time.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from fmdiag.files.documents import as_json

PATIENCE = 60   # seconds that a figure which is being drawn is waited for


class Ahead:
    """Figures of a run's results drawn in a process of its own; a context manager around the measuring."""

    def __init__(self):
        self.folder, self.process, self.jobs = None, None, {}

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if self.process is not None:
            self._stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    def draw(self, name, part, record):
        """Have the figures of a saved Result drawn: its name, its folder, and what run.json says so far."""
        if self.process is None:
            self.folder = Path(tempfile.mkdtemp(prefix="fmdiag-figures-"))
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "fmdiag.figures.ahead", str(self.folder)], stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        number = str(len(list(self.folder.iterdir())))
        job = self.jobs[name] = self.folder / number
        job.mkdir()
        # A file, as a pipe that is full would stop the measuring.
        (job / "job").write_text(as_json({"part": str(Path(part).absolute()), "record": record}), encoding="utf-8")
        with contextlib.suppress(OSError):     # it ended early: everything is drawn later
            self.process.stdin.write(number.encode() + b"\n")
            self.process.stdin.flush()

    def drawn(self, diagnostic, figure, *, wait=False):
        """Return (files by kind, readings) of a figure that is drawn, else None; may wait for one that is under way."""
        job = self.jobs.get(diagnostic)
        end = time.monotonic() + (PATIENCE if wait else 0)
        while job is not None:
            with contextlib.suppress(OSError, ValueError):
                values = json.loads((job / f"{figure}.json").read_text(encoding="utf-8"))
                files = {path.suffix[1:]: path for path in job.glob(f"{figure}.*")}
                return None if values is None else (files, values)
            if time.monotonic() > end or self.process.poll() is not None:
                break
            time.sleep(0.02)
        return None

    def claim(self, diagnostic, figure):
        """Return whether a figure is left to the caller, and is from now on: the process has not begun it."""
        return diagnostic not in self.jobs or _claimed(self.jobs[diagnostic], figure)

    def _stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            self.process.stdin.close()


def main(folder):
    """Draw what lines on standard input name; where it ends without this process being ended, the run has died."""
    if hasattr(os, "nice"):
        os.nice(10)
    for line in sys.stdin:
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            job = Path(folder) / line.strip()
            draw_result(job, **json.loads((job / "job").read_text(encoding="utf-8")))
    shutil.rmtree(folder, ignore_errors=True)


def draw_result(job, part, record):
    """Draw the figures of the Result saved in `part`: into `job` a file of each kind and, last, NAME.json.

    It holds the readings, or null where the figure is left to `draw_all`.
    """
    from fmdiag.figures.cards import card
    from fmdiag.figures.style import paper_style
    from fmdiag.results import Result

    result = Result.load(part)
    for figure in filter(lambda figure: _claimed(job, figure.name), card(result.name).figures):
        values = None
        with contextlib.suppress(Exception), paper_style():
            values = _drawn(job, figure, _own_data(result, record))
        whole = job / f".{figure.name}"
        whole.write_text(json.dumps(values), encoding="utf-8")
        whole.replace(job / f"{figure.name}.json")


def _drawn(job, card, data):
    from fmdiag.figures.draw import METADATA, drawn_figure, save_figure
    from fmdiag.figures.readings import readings

    figure = drawn_figure(data, card.name, card)
    if figure is None:
        return None
    for kind in METADATA:
        save_figure(figure, job / f"{card.name}.{kind}", kind)
    return readings(figure)


def _claimed(job, figure):
    """Return whether this process is the first to take a figure of a job."""
    try:
        (job / f"{figure}.claim").touch(exist_ok=False)
    except OSError:
        return False
    return True


def _own_data(result, record):
    """Return the data of one Result for its figures; whatever else they ask for raises LookupError."""
    from fmdiag.figures.run_data import ResultData

    class OwnData(ResultData):
        def summary(self, diagnostic, *quantities):
            if diagnostic != result.name:
                raise LookupError(diagnostic)
            return super().summary(diagnostic, *quantities)

    data = OwnData(result)
    data.run = {**record, "diagnostics": {result.name: result.parameters}}
    tables, arrays = {**result.all_tables(), "summary": result.summary}, result.arrays
    data.table, data.arrays = tables.__getitem__, arrays.__getitem__
    return data


if __name__ == "__main__":
    main(sys.argv[1])

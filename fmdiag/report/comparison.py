"""Comparison of runs as a folder of its own: tables, record, figures with all runs in one panel, and a page."""

import contextlib
import datetime
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmdiag import figures, report
from fmdiag.report import compare
from fmdiag.results import RunFolder, check_destination
from fmdiag.runs.parts import Parts, first_free

KIND = "comparison"


@dataclass(frozen=True)
class Comparison:
    """What was written.

    Parameters
    ----------
    folder : Path
    differences : DataFrame
        Each later run minus the first; see `fmdiag.report.compare.compared`.
    cautions : list of str
        What differs between the runs beside what they measured, a sentence each.
    """

    folder: Path
    differences: Any
    cautions: list[str]


def write_comparison(paths, out=None, *, labels=None, overwrite=False, command="", places=()):
    """Compare finished runs with the first of them, write the comparison as a run folder, and return it.

    Parameters
    ----------
    paths : sequence of path
        Run folders.
    out : path, optional
        Folder of the comparison; default the first free one of reports/compare-1, reports/compare-2, ...
    labels : sequence of str, optional
        Names of the runs; default the folders' names.
    overwrite : bool
        Whether an earlier comparison may be replaced, once the new one is complete.
    command : str
        Command line for the record, empty where there is none.
    places : iterable of str
        Paths that the user gave, which the record shows by their names alone.

    Raises
    ------
    FmdiagError
        If `out` may not be written, or the runs cannot be compared; see `fmdiag.report.compare.read_runs`.
    """
    if out is not None:
        check_destination(out, KIND, overwrite=overwrite)
    runs = compare.read_runs(paths, labels)
    cautions = compare.warnings(runs)
    with contextlib.ExitStack() as stack:
        # Parts hold the lock, and clear up after a comparison that was killed.
        parts = stack.enter_context(Parts(out, KIND)) if out is not None else first_free(stack, _names(), KIND)
        folder = stack.enter_context(RunFolder(parts.out, KIND, overwrite=overwrite))
        folder.places = places
        table = _fill(folder, runs, cautions, command)
    return Comparison(folder.out, table, cautions)


def _fill(folder, runs, cautions, command):
    """Fill the folder with tables, run.json, figures and page; return the differences."""
    started = datetime.datetime.now(datetime.UTC)
    summary, table = compare.compared(runs)
    folder.add_summary(summary)
    folder.write_summary()
    folder.add_table("differences", table)
    folder.add_json("run.json", _record(runs, cautions, table, command) | {
        "started": started.isoformat(timespec="seconds")})
    figures.draw_all(folder.path)
    report.write_report(folder.path)
    return table


def _record(runs, cautions, table, command):
    from fmdiag import __version__

    first = next(iter(runs.values())).run
    same = not any("fingerprints" in sentence for sentence in cautions)
    return {"fmdiag": __version__, "command": command, "name": "compare", "runs": compare.facts_of(runs),
            "diagnostics": {name: {"runs": list(runs), "command": command} for name in compare.shared(runs)},
            "dataset": first.get("dataset") if same else None, "checkpoint": None, "cautions": cautions,
            "verdict": compare.headline(table)}


def _names():
    """Return the folders reports/compare-N, from 1 on."""
    return (Path("reports") / f"compare-{k}" for k in itertools.count(1))

"""What is written down: intervals on every mean, tidy tables, and a run folder that is whole or absent."""

from fmdiag.files.destination import check_destination
from fmdiag.files.marker import note_files
from fmdiag.files.replace import check_writable, remedy, replace_atomically
from fmdiag.results.intervals import (
    INTERVALS,
    bootstrap_interval,
    difference_interval,
    mean_interval,
    median_interval,
    proportion_interval,
    summarise,
    summary_row,
)
from fmdiag.results.result import Result
from fmdiag.results.run_folder import SUMMARY_COLUMNS, RunFolder
from fmdiag.results.tables import load_array, load_run, load_table, save_table
from fmdiag.results.verdict import ANSWERS, Verdict

__all__ = [
    "ANSWERS",
    "INTERVALS",
    "SUMMARY_COLUMNS",
    "Result",
    "RunFolder",
    "Verdict",
    "bootstrap_interval",
    "check_destination",
    "check_writable",
    "difference_interval",
    "load_array",
    "load_run",
    "load_table",
    "mean_interval",
    "median_interval",
    "note_files",
    "proportion_interval",
    "remedy",
    "replace_atomically",
    "save_table",
    "summarise",
    "summary_row",
]

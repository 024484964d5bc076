"""What is written down: results with their verdicts, tidy tables, and a run folder that is whole or absent."""

from fmdiag.files.destination import check_destination
from fmdiag.files.marker import note_files
from fmdiag.files.replace import check_writable, remedy, replace_atomically
from fmdiag.results.result import Result
from fmdiag.results.run_folder import SUMMARY_COLUMNS, RunFolder
from fmdiag.results.tables import load_array, load_run, load_table, save_table
from fmdiag.results.verdict import ANSWERS, Verdict

__all__ = [
    "ANSWERS",
    "SUMMARY_COLUMNS",
    "Result",
    "RunFolder",
    "Verdict",
    "check_destination",
    "check_writable",
    "load_array",
    "load_run",
    "load_table",
    "note_files",
    "remedy",
    "replace_atomically",
    "save_table",
]

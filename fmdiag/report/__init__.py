"""The report: a run folder as one self-contained HTML page."""

from fmdiag.report.page import write_report
from fmdiag.report.verdict import verdict

__all__ = ["verdict", "write_report"]

"""The report: a run folder as one self-contained HTML page."""

from fmdiag.report.page import write_report
from fmdiag.report.redraw import redraw
from fmdiag.report.verdict import verdict

__all__ = ["redraw", "verdict", "write_report"]

"""Exports of runs for a paper: table of the headline numbers, methods, BibTeX entries, figures at a column's width."""

from fmdiag.report.export.exporting import FORMATS, Export, export

__all__ = ["FORMATS", "Export", "export"]

"""Runs: a checkpoint or a field, its training set, and the diagnostics that are measured on them."""

from fmdiag.runs.run import Run

__all__ = ["Run"]

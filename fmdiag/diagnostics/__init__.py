"""Diagnostics, a folder per question: its card, its measurement (`measure` gives raw rows, `summarise` their means).

A new diagnostic is a folder here, a line in `diagnostic.NAMES`, its figure and its test; or a card in a package of your
own, by `register` or an entry point.
"""

from fmdiag.diagnostics.diagnostic import DIAGNOSTICS, Diagnostic, Figure, register
from fmdiag.diagnostics.parameters import parameter

__all__ = ["DIAGNOSTICS", "Diagnostic", "Figure", "parameter", "register"]

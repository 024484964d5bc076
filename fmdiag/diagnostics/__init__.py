"""Diagnostics, one module per question: `measure` gives raw rows, `summarise` their means with intervals.

A new diagnostic is one module here, its figure of the same name, its test, one line in `DIAGNOSTICS` and one command.
"""

DIAGNOSTICS = {
    "alignment": "fmdiag.diagnostics.alignment",
    "error": "fmdiag.diagnostics.error",
    "hybrid": "fmdiag.diagnostics.hybrid",
    "memorization": "fmdiag.diagnostics.memorization",
    "quality": "fmdiag.diagnostics.quality",
    "membership": "fmdiag.diagnostics.membership",
    "provenance": "fmdiag.diagnostics.provenance",
    "gradient-variance": "fmdiag.diagnostics.gradient_variance",
}

"""Diagnostics, one module per question: `measure` gives raw rows, `summarise` their means with intervals.

A new diagnostic is one module here, its figure of the same name, its test, one line in `DIAGNOSTICS` and one command.
"""

DIAGNOSTICS = {
    "alignment": "fmdiag.diagnostics.alignment.measure",
    "error": "fmdiag.diagnostics.error.measure",
    "hybrid": "fmdiag.diagnostics.hybrid.measure",
    "memorization": "fmdiag.diagnostics.memorization.measure",
    "quality": "fmdiag.diagnostics.quality.measure",
    "membership": "fmdiag.diagnostics.membership.measure",
    "provenance": "fmdiag.diagnostics.provenance.measure",
    "gradient-variance": "fmdiag.diagnostics.gradient_variance.measure",
}

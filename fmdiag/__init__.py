"""fmdiag measures whether a flow matching model memorises its training data, against the closed-form minimiser û*."""

import importlib

__version__ = "0.2.0"

# Names are imported on first use, so that the command line answers --help without loading torch.
_PUBLIC = {
    "TrainingSet": "fmdiag.datasets",
    "load_dataset": "fmdiag.datasets",
    "LinearPath": "fmdiag.paths",
    "CosinePath": "fmdiag.paths",
    "VPPath": "fmdiag.paths",
    "CustomPath": "fmdiag.paths",
    "Posterior": "fmdiag.posterior",
    "ClosedFormField": "fmdiag.fields",
    "HybridField": "fmdiag.fields",
    "NetworkField": "fmdiag.fields",
    "load_checkpoint": "fmdiag.checkpoints",
    "train": "fmdiag.training",
    "sample": "fmdiag.sampling",
    "nearest": "fmdiag.neighbors",
    "alignment": "fmdiag.diagnostics.alignment.measure:measure",
    "approximation_error": "fmdiag.diagnostics.error.measure:measure",
    "hybrid": "fmdiag.diagnostics.hybrid.measure:measure",
    "memorization": "fmdiag.diagnostics.memorization.measure:measure",
    "quality": "fmdiag.diagnostics.quality.measure:measure",
    "membership": "fmdiag.diagnostics.membership.measure:measure",
    "provenance": "fmdiag.diagnostics.provenance.measure:measure",
    "uturn": "fmdiag.diagnostics.uturn.measure:measure",
    "error": "fmdiag.diagnostics.error.measure:measure",
    "theories": "fmdiag.diagnostics.theories.measure:measure",
    "symmetry": "fmdiag.diagnostics.symmetry.measure:measure",
    "duplicates": "fmdiag.diagnostics.duplicates.measure:measure",
    "geometry": "fmdiag.diagnostics.geometry.measure:measure",
    "patches": "fmdiag.diagnostics.patches.measure:measure",
    "watch": "fmdiag.monitoring.watch:watch",
    "Run": "fmdiag.runs",
    "Monitor": "fmdiag.monitoring",
    "Result": "fmdiag.results",
    "Verdict": "fmdiag.results",
    "Diagnostic": "fmdiag.diagnostics",
    "Figure": "fmdiag.diagnostics",
    "parameter": "fmdiag.diagnostics",
    "register": "fmdiag.diagnostics",
    "FmdiagError": "fmdiag.errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module 'fmdiag' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    return getattr(importlib.import_module(module), attribute or name)


def __dir__():
    return __all__

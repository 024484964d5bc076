"""Metrics on features, one definition a file: each module has DEFINITION, REFERENCE, NEEDS_TEST and `measure`.

`measure(generated, train, test, *, level, generator)` takes feature arrays of shape (n, dim) and returns rows of one
shape (`fmdiag.metrics.table`). A new metric is one module here, its test, and one line in `METRICS`.
"""

from fmdiag.metrics import frechet

METRICS = {"frechet": frechet}

__all__ = ["METRICS"]

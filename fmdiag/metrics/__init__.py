"""Metrics on features, one definition a file: each module has DEFINITION, REFERENCE, NEEDS_TEST and `measure`.

`measure(generated, train, test, *, level, generator)` takes feature arrays of shape (n, dim) and returns rows of one
shape (`fmdiag.metrics.table`). A new metric is one module here, its test, and one line in `METRICS`.
"""

from fmdiag.metrics import authpct, carlini, ct, dcr, frechet, kid, prdc

METRICS = {"authpct": authpct, "carlini": carlini, "ct": ct, "dcr": dcr, "frechet": frechet, "kid": kid, "prdc": prdc}

__all__ = ["METRICS"]

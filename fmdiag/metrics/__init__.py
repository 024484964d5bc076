"""Metrics on features, one definition a file: each module has DEFINITION, REFERENCE, NEEDS_TEST and `measure`.

`measure(generated, train, test, *, level, generator)` takes feature arrays of shape (n, dim) and returns rows of one
shape (`fmdiag.metrics.table`). Where NEEDS_TEST is False, test may be None. A new metric is one module here, its test,
and one line in `METRICS`.
"""

from fmdiag.errors import check_choice
from fmdiag.metrics import authpct, carlini, ct, dcr, fld, frechet, kid, memorised_fraction, mifid, prdc

METRICS = {
    "memorised_fraction": memorised_fraction,
    "carlini": carlini,
    "authpct": authpct,
    "dcr": dcr,
    "ct": ct,
    "fld": fld,
    "mifid": mifid,
    "frechet": frechet,
    "kid": kid,
    "prdc": prdc,
}

__all__ = ["METRICS", "check_metrics"]


def check_metrics(names):
    """Raise FmdiagError unless all names are of METRICS."""
    for name in names:
        check_choice("metric", name, METRICS)

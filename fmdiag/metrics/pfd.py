"""Probability flow distance: how far apart two models carry the same initial noise, a root mean square distance.

    PFD(p, q) = (E_z ||Φ_p(z) - Φ_q(z)||²)^(1/2)

with Φ the map from initial noise z ~ N(0, I) to samples, and Euclidean distances of pixels or of features. It is 0 only
for equal maps. It compares pairs, the end points of one noise under both models, and so takes two arrays in the order
of the noises, not two sets as the metrics of `METRICS` do.

References
----------
Zhang et al. 2025, "Understanding Generalization in Diffusion Models via Probability Flow Distance", arXiv 2505.20123.
"""

import numpy as np

from fmdiag.errors import FmdiagError
from fmdiag.metrics.arrays import checked
from fmdiag.metrics.table import metric_row, metric_table
from fmdiag.stats.intervals import mean_interval

DEFINITION = "pfd/zhang-2025-same-noise"
REFERENCE = "H. Zhang et al. 2025"


def flow_distance(first, second):
    """Return PFD, a float, of end points from the same noises, array_like of shape (n, dim) each."""
    return of_distances(_distances(first, second))[0]


def of_distances(distances, *, level=0.95):
    """Return (PFD, low, high) of the distances of n pairs, array_like of shape (n,).

    The noises are independent, so the mean of squares has Student's interval; the root of its ends, the lower one at
    least 0, is that of the PFD. It is an interval over noises, for these two maps.
    """
    mean, low, high = mean_interval(np.square(np.asarray(distances, dtype=float)), level=level)
    return tuple(float(np.sqrt(np.maximum(end, 0))) for end in (mean, low, high))


def measure(first, second, *, level=0.95):
    """Return the row pfd with its interval over noises.

    Parameters
    ----------
    first, second : array_like, shape (n, dim)
        End points (pixels or features) of both maps; row k of both is from one noise.
    level : float
        Of the interval.

    Raises
    ------
    FmdiagError
        If the arrays do not pair up, or hold values that are not finite.
    """
    distances = _distances(first, second)
    return metric_table([metric_row("pfd", DEFINITION, *of_distances(distances, level=level), level=level,
                                    n=len(distances), interval="student")])


def _distances(first, second):
    first, second = checked(first=first, second=second)
    if len(first) != len(second):
        raise FmdiagError(f"the probability flow distance compares end points of the same noises, got {len(first)} and "
                          f"{len(second)} rows: give as many of each, in the order of the noises")
    return np.linalg.norm(first - second, axis=1)

"""Posterior at many times at once, along the probability paths of given pairs, for little more than one time costs."""

from fmdiag.posterior.curve.curve import posterior_curve
from fmdiag.posterior.curve.nearest import nearest_norms

__all__ = ["nearest_norms", "posterior_curve"]

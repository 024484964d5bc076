"""Posterior at many times at once, along the probability paths of given pairs, for little more than one time costs."""

from fmdiag.posterior.curve.curve import posterior_curve

__all__ = ["posterior_curve"]

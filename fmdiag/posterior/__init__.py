"""Posterior over training rows: which of them explain x_t; one implementation, used by everything.

Points at one time are `empirical`'s, a pass over `rows` with the softmax accumulator of `state`; `curve` has many times
at once, `walk` one time after the other. Every engine bounds its rounding (`rounding`).
"""

from fmdiag.posterior.empirical import EmpiricalPosterior
from fmdiag.posterior.state import Posterior

__all__ = ["EmpiricalPosterior", "Posterior"]

"""Which training rows explain x_t: one implementation of the posterior over training rows, used by everything."""

from fmdiag.posterior.empirical import EmpiricalPosterior
from fmdiag.posterior.state import Posterior

__all__ = ["EmpiricalPosterior", "Posterior"]

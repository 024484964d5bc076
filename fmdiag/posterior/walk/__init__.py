"""Posterior at one time after the other, along trajectories of û*, from few candidate rows wherever these suffice."""

from fmdiag.posterior.walk.plain import PlainWalk
from fmdiag.posterior.walk.walk import Walk

__all__ = ["PlainWalk", "Walk"]

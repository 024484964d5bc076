"""Posterior at one time after the other, along trajectories of û*, from few candidate rows wherever these suffice."""

from fmdiag.posterior.walk.guided import GuidedWalk
from fmdiag.posterior.walk.walk import Walk

__all__ = ["GuidedWalk", "Walk"]

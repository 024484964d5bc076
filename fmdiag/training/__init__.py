"""Training of velocity fields: losses, loop, averaged weights, and states that resume bit for bit."""

from fmdiag.training.architecture import choose_network
from fmdiag.training.loop import train
from fmdiag.training.losses import LOSSES
from fmdiag.training.state import TrainingState, load_state, save_state

__all__ = ["LOSSES", "TrainingState", "choose_network", "load_state", "save_state", "train"]

"""Training of velocity fields: losses, loop, averaged weights, and states that resume bit for bit."""

from fmdiag.training.architecture import choose_network, parameters_of, width_of
from fmdiag.training.loop import resume, train
from fmdiag.training.losses import LOSSES
from fmdiag.training.objective import authors_samples, label, make_objective
from fmdiag.training.settings import check_unchanged
from fmdiag.training.state import TrainingState, restore

__all__ = ["LOSSES", "TrainingState", "authors_samples", "check_unchanged", "choose_network", "label",
           "make_objective", "parameters_of", "restore", "resume", "train", "width_of"]

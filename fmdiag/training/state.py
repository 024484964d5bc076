"""What must be kept to continue a training run as if nothing had happened?

The network, the averaged weights, the optimiser, the number of steps taken, the log of losses, and the settings. The
state file holds exactly that; randomness needs no state (see `randomness`).
"""

from dataclasses import dataclass, field

import torch

from fmdiag.errors import FmdiagError
from fmdiag.fields import build_network
from fmdiag.results import replace_atomically
from fmdiag.training.randomness import seeded

STATE_FORMAT = "fmdiag-training-state"
STATE_VERSION = 1
# The seed's stream for initial weights; steps use 0, 1, 2, ...
INITIALISATION = 2**62


@dataclass
class TrainingState:
    """A training run between two steps.

    Parameters
    ----------
    settings : dict
        Plain values that fix the run: network, path, loss, batch_size, lr, warmup, clip, ema_decay, seed, precision,
        timing (of the measured precision, or None), dataset (``TrainingSet.describe()`` and how it was loaded).
    module : torch.nn.Module
        The network.
    ema : dict of str to Tensor
        Averaged weights.
    optimizer : torch.optim.Optimizer
        Adam over the network's parameters.
    step : int
        Steps taken.
    log : list of dict
        Rows step, loss, lr, grad_norm: means over the steps since the row before.
    """

    settings: dict
    module: torch.nn.Module
    ema: dict
    optimizer: torch.optim.Optimizer
    step: int = 0
    log: list = field(default_factory=list)

    def checkpoint(self):
        """Return the content of a native checkpoint (`fmdiag.checkpoints.save_checkpoint` writes it)."""
        known = ("network", "path", "dataset", "ema_decay", "loss", "seed")
        training = {key: value for key, value in self.settings.items() if key not in known}
        return {**{key: self.settings[key] for key in known}, "steps": self.step, "training": training,
                "weights": self.module.state_dict(), "ema": self.ema}


def new_state(settings, device):
    """Return the state before the first step; initial weights follow from the seed alone."""
    with seeded(settings["seed"], INITIALISATION):
        module = build_network(settings["network"])
    module = module.to(device)
    ema = {name: weight.detach().clone() for name, weight in module.state_dict().items()}
    return TrainingState(settings, module, ema, _adam(module, settings["lr"]))


def save_state(state, file):
    """Write the state file; an earlier one is replaced only when the new one is complete.

    Raises
    ------
    OSError
        Full disk or read-only folder; the earlier file is intact.
    """
    content = {"format": STATE_FORMAT, "version": STATE_VERSION, "settings": state.settings, "step": state.step,
               "log": state.log, "weights": state.module.state_dict(), "ema": state.ema,
               "optimizer": state.optimizer.state_dict()}
    replace_atomically(file, lambda temporary: torch.save(content, temporary))


def load_state(file, *, device="cpu"):
    """Return the state that `save_state` wrote.

    Raises
    ------
    FmdiagError
        If the file is missing, damaged, or not a training state.
    """
    content = _read(file, device)
    module = build_network(content["settings"]["network"]).to(device)
    module.load_state_dict(content["weights"])
    optimizer = _adam(module, content["settings"]["lr"])
    optimizer.load_state_dict(content["optimizer"])
    return TrainingState(content["settings"], module, content["ema"], optimizer, content["step"], content["log"])


def _read(file, device):
    try:
        content = torch.load(file, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise FmdiagError(f"{file}: no training state to resume; start without --resume") from error
    except Exception as error:
        raise FmdiagError(f"{file}: not a readable training state ({type(error).__name__}); start anew") from error
    if not isinstance(content, dict) or content.get("format") != STATE_FORMAT:
        raise FmdiagError(f"{file}: not a training state of fmdiag; --resume takes the folder of an fmdiag train run")
    if content.get("version") != STATE_VERSION:
        raise FmdiagError(f"{file}: training state of version {content.get('version')}, this is version {STATE_VERSION}")
    return content


def _adam(module, lr):
    # The fused step is one pass over the weights; on a CPU it takes a third of the time of the plain one.
    return torch.optim.Adam(module.parameters(), lr=lr, fused=True)

"""State of a training run: all that is kept to continue it as if nothing had happened.

The network, the averaged weights, the optimiser, the number of steps taken, the log of losses, and the settings.
Randomness needs no state (see `randomness`).
"""

from dataclasses import dataclass, field

import torch

from fmdiag.errors import FmdiagError
from fmdiag.fields import build_network
from fmdiag.files.places import without_places
from fmdiag.training.objective import INDEPENDENT, authors_samples, label
from fmdiag.training.randomness import seeded

FORMAT = "fmdiag-training-state"
VERSION = 1
# The stream of the seed for initial weights; steps use 0, 1, 2, ...
INITIALISATION = 2**62
DESCRIBING = ("network", "path", "dataset", "ema_decay", "seed")


@dataclass
class TrainingState:
    """A training run between two steps.

    Parameters
    ----------
    settings : dict
        Plain values that fix the run: network, path, loss, objective (see `fmdiag.training.objective`), steps (to take
        in all), batch_size, lr, warmup, clip,
        ema_decay, seed, precision, timing (seconds per pass where the precision was measured, else None), dataset.
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

    def content(self):
        """Return everything as a dict of tensors and plain values, for `restore`."""
        return {"format": FORMAT, "version": VERSION, "settings": self.settings, "step": self.step, "log": self.log,
                "weights": self.module.state_dict(), "ema": self.ema, "optimizer": self.optimizer.state_dict()}

    def checkpoint(self):
        """Return the content of a native checkpoint, for `fmdiag.checkpoints.save_checkpoint`."""
        training = {key: value for key, value in self.settings.items() if key not in (*DESCRIBING, "loss")}
        objective = self.settings.get("objective") or INDEPENDENT
        if "pool_size" in objective:
            training["authors_n_samples_mean"] = authors_samples(objective, self.settings["batch_size"])
        # The state keeps whole paths, to go on from anywhere; a checkpoint is given to others.
        described = {**{key: self.settings[key] for key in DESCRIBING},
                     "dataset": without_places(self.settings["dataset"])}
        return {**described, "loss": label(objective), "steps": self.step,
                "training": training, "weights": self.module.state_dict(), "ema": self.ema}


def initial_state(settings, device):
    """Return the state before the first step; the initial weights follow from the seed alone."""
    with seeded(settings["seed"], INITIALISATION):
        module = build_network(settings["network"])
    module = module.to(device)
    ema = {name: weight.detach().clone() for name, weight in module.state_dict().items()}
    return TrainingState(settings, module, ema, _adam(module, settings["lr"]))


def restore(content, *, device="cpu", file="training state"):
    """Return the TrainingState that `TrainingState.content` described.

    Parameters
    ----------
    content : dict
        As read from a file.
    device : str or torch.device
        Where to go on training.
    file : path
        Where it comes from, for messages.

    Raises
    ------
    FmdiagError
        If it is no training state, or one of another version.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise FmdiagError(f"{file} is not a training state: --resume takes the folder of an fmdiag train run")
    if content.get("version") != VERSION:
        raise FmdiagError(f"{file} is a training state of version {content.get('version')}, this fmdiag continues "
                          f"version {VERSION}: continue it with the fmdiag that began it")
    try:
        return _restored(content, device)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise FmdiagError(f"{file} is damaged ({type(error).__name__}: {error}): begin the run anew in another folder"
                          ) from error


def _restored(content, device):
    module = build_network(content["settings"]["network"]).to(device)
    module.load_state_dict(content["weights"])
    optimizer = _adam(module, content["settings"]["lr"])
    optimizer.load_state_dict(content["optimizer"])
    ema = {name: content["ema"][name].to(device) for name in module.state_dict()}
    step, log = content["step"], content["log"]
    if type(step) is not int or not isinstance(log, list) or not all(isinstance(row, dict) for row in log):
        raise TypeError("its step is no whole number, or its log no list of rows")
    return TrainingState(content["settings"], module, ema, optimizer, step, log)


def _adam(module, lr):
    # The fused step is one pass over the weights, on a CPU several times faster than the plain one.
    return torch.optim.Adam(module.parameters(), lr=lr, fused=True)

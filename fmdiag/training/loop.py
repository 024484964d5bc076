"""How is a velocity field trained on a training set?

Adam on a flow matching loss, with linear warm-up of the learning rate, clipping of the gradient's norm, and an exponential
moving average of the weights. Defaults are those of Bertrand et al., arXiv 2506.03719, appendix (Adam, 2e-4, batch 128,
clip 1, EMA 0.9999); its warm-up of 5000 steps is capped at a twentieth of the run.
"""

import math
import time

import torch

from fmdiag.errors import FmdiagError, check_choice
from fmdiag.paths import LinearPath, path_from_description
from fmdiag.training.ema import update_ema
from fmdiag.training.losses import LOSSES, regression_loss
from fmdiag.training.precision import autocast, check_precision, measure_precision
from fmdiag.training.randomness import draw_batch, seeded, step_generator
from fmdiag.training.state import new_state

# A row of the log, and at most one save, per this many steps. Saving only here keeps no half-filled means in the state.
LOG_EVERY = 10
MAX_WARMUP = 5000


def train(training_set, spec, *, path=None, loss="cfm", steps=10_000, batch_size=128, lr=2e-4, warmup=None, clip=1.0,
          ema_decay=0.9999, seed=0, precision="auto", device="cpu", dataset=None, state=None, save=None, progress=None,
          save_seconds=30.0):
    """Train a network; return its state.

    Parameters
    ----------
    training_set : TrainingSet
        Rows to learn; a set with flips is trained with random horizontal flips.
    spec : dict
        Network, see `fmdiag.fields.build_network`.
    path : GaussianPath, optional
        Probability path; linear by default.
    loss : str
        A name in `LOSSES`.
    steps : int
        Steps in all, those of the resumed state included.
    batch_size : int
        Rows per step, drawn with replacement.
    lr : float
        Learning rate after warm-up.
    warmup : int, optional
        Steps over which the learning rate rises linearly; by default a twentieth of the run, at most 5000.
    clip : float
        Largest norm of the gradient.
    ema_decay : float
        Final decay of the averaged weights, in [0, 1); see `fmdiag.training.ema`.
    seed : int
        Fixes initial weights and every step's randomness.
    precision : str
        ``"fp32"``, ``"bf16"`` (autocast), or ``"auto"``: bf16 where it is measured to be faster.
    device : str or torch.device
        Where to train.
    dataset : dict, optional
        How the set was loaded (source, size, subset_n, subset_seed, held_out), for the checkpoint.
    state : TrainingState, optional
        Continue this state; every other setting must be as it was, `steps` may be larger.
    save : callable, optional
        Called as ``save(state)`` after at least `save_seconds` and at the end, always with finite weights.
    progress : callable, optional
        Called as ``progress(step, loss)`` every 10 steps.
    save_seconds : float
        Least time between two saves.

    Returns
    -------
    TrainingState
        After `steps` steps. The same seed gives the same bits on the same machine with the same number of threads,
        interrupted or not.

    Raises
    ------
    FmdiagError
        If a setting is out of range, differs from the resumed state's, or the loss stops being finite (the last saved
        state stays).
    """
    described = (path or LinearPath()).describe()
    warmup = min(MAX_WARMUP, steps // 20) if warmup is None and state is None else warmup
    settings = {"network": dict(spec), "path": described, "loss": loss, "batch_size": batch_size, "lr": lr,
                "warmup": warmup, "clip": clip, "ema_decay": ema_decay, "seed": seed, "precision": precision,
                "dataset": {**training_set.describe(), **(dataset or {})}}
    if state is None:
        state = _start(settings, steps, training_set, device)
    else:
        _check_resumed(state, settings, steps)
    return _run(state, training_set, steps, device, save or _ignore, progress or _ignore, save_seconds)


def learning_rate(step, lr, warmup):
    """Return the learning rate of step `step` (0-based): linear over the first `warmup` steps, then constant."""
    return lr * min(1.0, (step + 1) / max(1, warmup))


def _start(settings, steps, training_set, device):
    _check_settings(settings, steps, training_set)
    state = new_state({**settings, "timing": None}, device)
    if settings["precision"] == "auto":
        timing = measure_precision(state.module, training_set.shape, settings["batch_size"], device)
        state.settings.update(precision=timing["precision"], timing=timing)
    return state


def _run(state, training_set, steps, device, save, progress, save_seconds):
    state.module.train()
    saved = time.monotonic()
    while state.step < steps:
        stop = min(steps, (state.step // LOG_EVERY + 1) * LOG_EVERY)
        state.log.append(_log_interval(state, training_set, stop, device))
        progress(state.step, state.log[-1]["loss"])
        if state.step == steps or time.monotonic() - saved > save_seconds:
            save(state)
            saved = time.monotonic()
    return state


def _log_interval(state, training_set, stop, device):
    first, sums = state.step, torch.zeros(2, device=device)
    while state.step < stop:
        sums += _step(state, training_set, device)
        state.step += 1
    loss, grad_norm = (sums / (stop - first)).tolist()
    weights = list(state.module.parameters())
    if not (math.isfinite(loss) and math.isfinite(grad_norm) and all(w.isfinite().all() for w in weights)):
        raise FmdiagError(f"training diverged between steps {first} and {stop}: loss {loss:.4g}, gradient norm "
                          f"{grad_norm:.4g}; the last saved state is kept; train with a lower --lr, or check the data")
    return {"step": stop, "loss": loss, "grad_norm": grad_norm,
            "lr": learning_rate(stop - 1, state.settings["lr"], state.settings["warmup"])}


def _step(state, training_set, device):
    settings = state.settings
    generator = step_generator(settings["seed"], state.step)
    x0, x1, t = (part.to(device) for part in draw_batch(training_set, settings["batch_size"], generator))
    xt, target = LOSSES[settings["loss"]](x0, x1, t, path=path_from_description(settings["path"]),
                                          training_set=training_set, generator=generator)
    with seeded(settings["seed"], state.step, device), autocast(device, settings["precision"]):
        velocity = state.module(xt, t)
    loss = regression_loss(velocity, target).mean()
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    grad_norm = torch.nn.utils.clip_grad_norm_(state.module.parameters(), settings["clip"])
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, settings["lr"], settings["warmup"])
    state.optimizer.step()
    update_ema(state.ema, state.module, state.step, settings["ema_decay"])
    return torch.stack([loss.detach(), grad_norm.detach()])


def _check_settings(settings, steps, training_set):
    check_choice("loss", settings["loss"], LOSSES)
    check_precision(settings["precision"])
    for name, value, good in [("steps", steps, steps >= 1), ("batch size", settings["batch_size"], settings["batch_size"] >= 1),
                              ("lr", settings["lr"], settings["lr"] > 0), ("clip", settings["clip"], settings["clip"] > 0),
                              ("warm-up", settings["warmup"], settings["warmup"] >= 0)]:
        if not good:
            raise FmdiagError(f"{name} is out of range: got {value}")
    if not 0 <= settings["ema_decay"] < 1:
        raise FmdiagError(f"EMA decay must be in [0, 1), got {settings['ema_decay']}")
    if list(settings["network"].get("shape", [])) != list(training_set.shape):
        raise FmdiagError(f"the network takes samples of shape {settings['network'].get('shape')}, the training set has "
                          f"rows of shape {list(training_set.shape)}")


def _check_resumed(state, settings, steps):
    if steps < state.step:
        raise FmdiagError(f"the run to resume has taken {state.step} steps, more than the {steps} asked for")
    for name, value in settings.items():
        before = state.settings[name]
        if name == "dataset":
            name, value, before = "fingerprint", value["fingerprint"], before["fingerprint"]
        unchanged = value == before or value is None or (name == "precision" and value == "auto")
        if not unchanged:
            raise FmdiagError(f"cannot resume with another {name}: the run has {before}, got {value}; "
                              "leave the option out, or start a new run")


def _ignore(*arguments):
    pass

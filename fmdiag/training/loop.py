"""Training loop: a velocity field trained on a training set.

Adam on a flow matching loss, with linear warm-up of the learning rate, clipping of the gradient's norm, and an
exponential moving average of the weights (Bertrand et al., arXiv 2506.03719, appendix on training).
"""

import math
import time
import warnings

import torch

from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.files.code import made_by
from fmdiag.paths import as_path, path_from_description
from fmdiag.ranks.group import SINGLE
from fmdiag.training.couplings import couple
from fmdiag.training.ema import update_ema
from fmdiag.training.group import agreed_precision, averaged, batch_mean, check_share, wrapped
from fmdiag.training.losses import LOSSES, regression_loss
from fmdiag.training.objective import INDEPENDENT, loss_arguments, make_objective
from fmdiag.training.precision import autocast, measure_precision
from fmdiag.training.randomness import draw_batch, seeded, step_generator
from fmdiag.training.settings import MAX_WARMUP, check_rows, check_settings, say_without_null
from fmdiag.training.state import initial_state

# A row of the log, and at most one save, per this many steps: saved only here, a state holds no half-filled means.
LOG_EVERY = 10
SAVE_SECONDS = 30.0


def train(training_set, spec, *, path=None, loss="cfm", objective=None, steps=10_000, batch_size=128, lr=2e-4,
          warmup=None, clip=1.0, ema_decay=0.9999, seed=0, precision="auto", device="cpu", dataset=None, save=None,
          progress=None, callback=None, save_seconds=SAVE_SECONDS, group=SINGLE):
    """Train a network; return its state.

    Parameters
    ----------
    training_set : TrainingSet
        Rows to learn; a set with flips is trained with random horizontal flips.
    spec : dict
        Network, see `fmdiag.fields.build_network` and `choose_network`.
    path : GaussianPath, optional
        Probability path; linear by default.
    loss : str
        A name in `LOSSES`.
    objective : dict, optional
        Options of the loss: coupling; pool_size, replacement (efm); sigma, noise (noised); see `make_objective`.
    steps : int
        Steps to take, at least 1.
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
        Fixes the initial weights and every step's randomness.
    precision : str
        ``"fp32"``, ``"bf16"`` (autocast), or ``"auto"``: bf16 where it is measured to be faster.
    device : str or torch.device
        Where to train.
    dataset : dict, optional
        How the set was loaded (source, size, subset_n, subset_seed, held_out), for the checkpoint.
    save : callable, optional
        Called as ``save(state)`` before the first step, every `save_seconds` or so, and at the end; the weights that it
        gets are finite.
    progress : callable, optional
        Called as ``progress(step, loss, steps)`` every 10 steps of `steps` in all.
    callback : callable, optional
        Called as ``callback(state)`` every 10 steps, on every rank; it leaves the state as it is: see `fmdiag.Monitor`.
    save_seconds : float
        Least time between two saves, in seconds.
    group : Group
        Processes that train one model together, each on its share of every batch; see `fmdiag.training.group`.

    Returns
    -------
    TrainingState
        After `steps` steps. The same seed gives the same bits on the same machine with the same number of threads,
        interrupted or not.

    Raises
    ------
    FmdiagError
        If a setting is out of range, or training diverges (the last saved state stays).

    Examples
    --------
    >>> import fmdiag
    >>> spec = {"name": "mlp", "shape": [1, 8, 8], "width": 16, "depth": 1}
    >>> fmdiag.train(fmdiag.load_dataset("digits"), spec, steps=3, precision="fp32").step
    3
    """
    say_without_null(training_set)
    warmup = min(MAX_WARMUP, steps // 20) if warmup is None else warmup
    settings = {"network": dict(spec), "path": as_path(path).describe(), "loss": loss,
                "objective": make_objective(loss, **(objective or {})), "steps": steps,
                "batch_size": batch_size, "lr": lr, "warmup": warmup, "clip": clip, "ema_decay": ema_decay,
                "seed": seed, "precision": precision, "timing": None,
                "dataset": {**training_set.describe(), **(dataset or {})}, "fmdiag": made_by()}
    check_settings(settings, training_set)
    check_share(settings, group)
    state = initial_state(settings, device)
    if precision == "auto":
        timing = measure_precision(state.module, training_set.shape, batch_size, device)
        state.settings.update(precision=agreed_precision(timing.pop("precision"), group), timing=timing)
    called = (save or _ignore, progress or _ignore, callback or _ignore)
    return _run(state, training_set, device, called, save_seconds, group)


def resume(state, training_set, *, steps=None, device="cpu", save=None, progress=None, callback=None,
           save_seconds=SAVE_SECONDS, group=SINGLE):
    """Continue a run; return its state, the same bits as if it had never stopped.

    Parameters
    ----------
    state : TrainingState
        As saved; it is changed in place.
    training_set : TrainingSet
        The rows that the run was begun with.
    steps : int, optional
        Steps in all, those taken included; by default as planned at the beginning.
    device, save, progress, callback, save_seconds, group
        As in `train`.

    Raises
    ------
    FmdiagError
        If the rows are others, the run has taken more than `steps`, or training diverges.
    """
    check_rows(state.settings, training_set)
    say_without_null(training_set)
    check_share(state.settings, group)
    steps = state.settings["steps"] if steps is None else steps
    if steps < state.step:
        raise FmdiagError(f"the run to resume has taken {state.step} steps, more than the {steps} asked for")
    state.settings["steps"] = steps
    _note_version(state)
    called = (save or _ignore, progress or _ignore, callback or _ignore)
    return _run(state, training_set, device, called, save_seconds, group)


def _note_version(state):
    """Record in the settings, and say, that from here on another fmdiag trains than the one that began the run."""
    before = state.settings.get("fmdiag") or "a version that was not recorded"
    if not before.endswith(made_by()):
        warnings.warn(f"the run was trained up to step {state.step} by fmdiag {before}, and goes on with {made_by()}: "
                      "its bits may differ from those of a run by either alone", FmdiagWarning, stacklevel=3)
        state.settings["fmdiag"] = f"{before}, from step {state.step} on {made_by()}"


def learning_rate(step, lr, warmup):
    """Return the learning rate of step `step` (0-based): linear over the first `warmup` steps, then constant."""
    return lr * min(1.0, (step + 1) / max(1, warmup))


def _run(state, training_set, device, called, save_seconds, group):
    save, progress, callback = called
    state.module.train()
    network = wrapped(state.module, group)
    steps = state.settings["steps"]
    save(state)
    saved = time.monotonic()
    while state.step < steps:
        stop = min(steps, (state.step // LOG_EVERY + 1) * LOG_EVERY)
        state.log.append(_steps_until(stop, state, network, training_set, device, group))
        progress(state.step, state.log[-1]["loss"], steps)
        callback(state)
        if state.step == steps or time.monotonic() - saved > save_seconds:
            save(state)
            saved = time.monotonic()
    return state


def _steps_until(stop, state, network, training_set, device, group):
    first, sums = state.step, torch.zeros(2, device=device)
    path = path_from_description(state.settings["path"])
    while state.step < stop:
        sums += _step(state, network, training_set, path, device, group)
        state.step += 1
    loss, grad_norm = (sums / (stop - first)).tolist()
    _check_finite(state, first, loss, grad_norm)
    return {"step": stop, "loss": loss, "grad_norm": grad_norm,
            "lr": learning_rate(stop - 1, state.settings["lr"], state.settings["warmup"])}


def _step(state, network, training_set, path, device, group):
    settings = state.settings
    xt, target, t = regression_batch(settings, training_set, path, state.step, device)
    share = group.share(len(xt))
    with seeded(settings["seed"], state.step, device), autocast(device, settings["precision"]):
        velocity = network(xt[share], t[share])
    loss = batch_mean(regression_loss(velocity, target[share]), len(xt), group)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    grad_norm = torch.nn.utils.clip_grad_norm_(state.module.parameters(), settings["clip"])
    for parameters in state.optimizer.param_groups:
        parameters["lr"] = learning_rate(state.step, settings["lr"], settings["warmup"])
    state.optimizer.step()
    update_ema(state.ema, state.module, state.step, settings["ema_decay"])
    return torch.stack([averaged(loss.detach(), group), grad_norm.detach()])


def regression_batch(settings, training_set, path, step, device="cpu"):
    """Return (xt, target, t) of one training step, as the run's seed, objective and the step's number fix them."""
    objective = settings.get("objective") or INDEPENDENT
    generator = step_generator(settings["seed"], step)
    x0, x1, t, rows = draw_batch(training_set, settings["batch_size"], generator)
    x0, x1, rows = couple(objective["coupling"], x0, x1, rows, generator=generator)
    x0, x1, t = (part.to(device) for part in (x0, x1, t))
    xt, target = LOSSES[objective["loss"]](x0, x1, t, path=path, training_set=training_set, generator=generator,
                                           rows=rows, **loss_arguments(objective))
    return xt, target, t


def _check_finite(state, first, loss, grad_norm):
    weights_finite = all(bool(weight.isfinite().all()) for weight in state.module.parameters())
    if not (math.isfinite(loss) and math.isfinite(grad_norm) and weights_finite):
        raise FmdiagError(f"training diverged between steps {first} and {state.step}: loss {loss:.4g}, gradient norm "
                          f"{grad_norm:.4g}; the last saved state is kept; train with a smaller --lr, or look for "
                          "values that are not finite in the data")


def _ignore(*arguments):
    pass

"""Training on fixed pairs (x0, x1): every step draws pairs, times and the noise on the path.

    min E ||v(x_t, t) - target||^2,      (x0, x1) uniform over the n pairs, t uniform in [0, 1),

with x_t and the target of an `Interpolant`. Without noise on the path a field of zero loss exists that returns each
noise's own partner, even where lines cross (Reu et al., arXiv 2510.18118). Adam, linear warm-up, then a cosine to 0.
"""

import math
import time

import torch

from fmdiag.errors import FmdiagError
from fmdiag.files.code import made_by
from fmdiag.files.hashing import arrays_sha256
from fmdiag.training.ema import update_ema
from fmdiag.training.interpolants import Interpolant
from fmdiag.training.losses import regression_loss
from fmdiag.training.randomness import seeded, step_generator
from fmdiag.training.state import initial_state

LOG_EVERY = 10
SAVE_SECONDS = 30.0


def train_pairs(x0, x1, spec, *, interpolant=None, steps=4000, batch_size=128, lr=1e-3, warmup=100, clip=1.0,
                ema_decay=0.999, seed=0, device="cpu", dataset=None, state=None, save=None, progress=None,
                save_seconds=SAVE_SECONDS):
    """Train a network on fixed pairs; return its TrainingState.

    Parameters
    ----------
    x0, x1 : Tensor, shape (n, *shape)
        The pairs.
    spec : dict
        Network, see `fmdiag.fields.build_network`.
    interpolant : Interpolant, optional
        Noise on the path; none by default.
    steps, batch_size, lr, warmup, clip, ema_decay, seed, device, save, progress, save_seconds
        As in `fmdiag.training.train`; lr falls to 0 along a cosine after the warm-up.
    dataset : dict, optional
        Where the pairs come from, for the checkpoint.
    state : TrainingState, optional
        A saved state to continue: the same bits as if it had never stopped.

    Raises
    ------
    FmdiagError
        If the pairs do not fit each other or the network, the state is of another run, or training diverges.
    """
    interpolant = interpolant or Interpolant()
    settings = {"network": dict(spec), "path": {"name": "linear", "sigma_min": 0.0}, "steps": steps,
                "loss": f"pairs sigma={interpolant.sigma:g}" + (" (bridge)" if interpolant.noise == "bridge" else ""),
                "sigma": interpolant.sigma, "noise": interpolant.noise, "batch_size": batch_size, "lr": lr,
                "warmup": warmup, "clip": clip, "ema_decay": ema_decay, "seed": seed, "precision": "fp32",
                "timing": None, "pairs": pairs_fingerprint(x0, x1), "dataset": dataset or {},
                "fmdiag": made_by()}
    _check(x0, x1, settings)
    if state is None:
        state = initial_state(settings, device)
    elif state.settings != settings:
        other = next(key for key in settings if state.settings.get(key) != settings[key])
        raise FmdiagError(f"cannot continue with another {other}: the run was begun with "
                          f"{state.settings.get(other)}, got {settings[other]}; choose another --out")
    return _run(state, x0.to(device), x1.to(device), interpolant, save or _ignore, progress or _ignore, save_seconds)


def pairs_fingerprint(x0, x1):
    """Return the SHA-256 (hex) of the pairs' float32 values."""
    return arrays_sha256(*(part.detach().cpu().float().numpy() for part in (x0, x1)), header=repr(tuple(x0.shape)))


def checkpoint_of(state):
    """Return the content of a native checkpoint, for `fmdiag.checkpoints.save_checkpoint`."""
    return {**state.checkpoint(), "loss": state.settings["loss"]}


def learning_rate(step, settings):
    """Return the learning rate of step `step` (0-based): linear warm-up, then half a cosine down to 0."""
    warmup = settings["warmup"]
    if step < warmup:
        return settings["lr"] * (step + 1) / warmup
    return settings["lr"] * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, settings["steps"] - warmup)))


def _check(x0, x1, settings):
    if x0.shape != x1.shape or len(x0) < 1:
        raise FmdiagError(f"pairs need x0 and x1 of one shape (n, ...), got {tuple(x0.shape)} and {tuple(x1.shape)}")
    if list(settings["network"].get("shape") or []) != list(x0.shape[1:]):
        raise FmdiagError(f"the network takes samples of shape {settings['network'].get('shape')}, the pairs have "
                          f"{list(x0.shape[1:])}")
    for name, least in [("steps", 1), ("batch_size", 1), ("warmup", 0)]:
        if settings[name] < least:
            raise FmdiagError(f"{name} must be at least {least}, got {settings[name]}")
    if not (settings["lr"] > 0 and math.isfinite(settings["lr"])):
        raise FmdiagError(f"lr must be positive and finite, got {settings['lr']}")


def _run(state, x0, x1, interpolant, save, progress, save_seconds):
    state.module.train()
    steps, saved = state.settings["steps"], time.monotonic()
    save(state)
    while state.step < steps:
        stop, losses = min(steps, (state.step // LOG_EVERY + 1) * LOG_EVERY), []
        while state.step < stop:
            losses.append(_step(state, x0, x1, interpolant))
            state.step += 1
        mean = torch.stack(losses).mean(0).tolist()
        if not all(map(math.isfinite, mean)):
            raise FmdiagError(f"training on pairs diverged before step {state.step} (loss {mean[0]:.4g}): give a "
                              "smaller --lr")
        state.log.append({"step": stop, "loss": mean[0], "grad_norm": mean[1],
                          "lr": learning_rate(stop - 1, state.settings)})
        progress(state.step, mean[0], steps)
        if state.step == steps or time.monotonic() - saved > save_seconds:
            save(state)
            saved = time.monotonic()
    return state


def _step(state, x0, x1, interpolant):
    settings = state.settings
    generator = step_generator(settings["seed"], state.step)
    rows = torch.randint(len(x0), (settings["batch_size"],), generator=generator)
    t = torch.rand(len(rows), generator=generator)
    z = torch.randn((len(rows), *x0.shape[1:]), generator=generator).to(x0)
    a, b = x0[rows.to(x0.device)], x1[rows.to(x0.device)]
    # The derivative of a bridge's noise is infinite at t = 0, which a draw of t can be.
    t = t.clamp(2.0**-24, 1 - 2.0**-24).to(x0)
    xt = interpolant.point(a, b, t, z)
    with seeded(settings["seed"], state.step, x0.device):
        velocity = state.module(xt, t)
    loss = regression_loss(velocity, interpolant.target("velocity", a, b, xt, t, z)).mean()
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    grad_norm = torch.nn.utils.clip_grad_norm_(state.module.parameters(), settings["clip"])
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, settings)
    state.optimizer.step()
    update_ema(state.ema, state.module, state.step, settings["ema_decay"])
    return torch.stack([loss.detach(), grad_norm.detach()])


def _ignore(*arguments):
    pass

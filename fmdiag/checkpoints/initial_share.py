"""Share of the initial network in averaged weights, from the decay, the steps and the warm-up.

    theta_ema <- decay_k theta_ema + (1 - decay_k) theta        share of the first weights = prod_k decay_k

Without warm-up that is decay^steps: .74 after 3000 steps at .9999. With decay_k = min(decay, (1 + k) / (10 + k)), as
fmdiag, torch_ema and score_sde have it, the first factors leave next to nothing of them. Averages that begin with the
trained weights, later in training, hold none; a file that keeps its decay and does so is told apart by no key.
"""

import math

from fmdiag.checkpoints import cautions
from fmdiag.checkpoints.foreign import ASSUMED, READ
from fmdiag.checkpoints.places import arguments_of, look_up

LEAST = 0.01  # a share below this is not worth a caution
# Decay of the families' training scripts, which their files do not keep, none of them with a warm-up.
USUAL = {"torchcfm": 0.9999, "sit": 0.9999, "dit": 0.9999}
DECAYS = ("ema.decay", "ema_decay", "ema.ema_decay", "ema_rate", "ema.beta", "ema_beta")
STEPS = ("ema.num_updates", "ema.optimization_step", "step", "steps", "global_step", "train_steps", "train_step",
         "iteration", "iterations", "iter", "n_iter", "current_step")
OPTIMIZERS = ("opt", "optim", "optimizer", "optimizer_state_dict", "optimizer_states.0", "optimizer_state")


def initial_share(decay, steps, warm_up_from=None):
    """Return the share of the initial weights in an average, from 0 to 1.

    Parameters
    ----------
    decay : float
        Final decay, in [0, 1].
    steps : int
        Updates of the average.
    warm_up_from : int, optional
        k of the first update where decay_k = min(decay, (1 + k) / (10 + k)); None without warm-up.
    """
    if steps <= 0:
        return 1.0
    if decay <= 0:
        return 0.0
    if warm_up_from is None:
        return decay**steps
    first, end = warm_up_from, warm_up_from + steps
    crossing = end if decay >= 1 else min(end, max(first, math.ceil((10 * decay - 1) / (1 - decay))))
    rising = _log_ratio(crossing) - _log_ratio(first)
    return math.exp(rising + (end - crossing) * math.log(decay))


def _log_ratio(k):
    """Return log of Gamma(k + 1) / Gamma(k + 10); far out, where both are alike, of its limit."""
    return math.lgamma(k + 1) - math.lgamma(k + 10) if k < 10**8 else -9 * math.log(k)


def young(family, content, values):
    """Return the cautions about averages that hold a part of the initial network, where decay and steps are known.

    Parameters
    ----------
    family : str
        Whose training script wrote the file.
    content : object
        The loaded file.
    values : dict
        Facts of the description: weights, and other_weights where raw ones lie beside.
    """
    steps, (decay, origin) = steps_of(content), decay_of(family, content)
    if values.get("weights") != "ema" or steps is None or decay is None:
        return []
    warm = isinstance(_number(look_up(content, "ema.num_updates")), int)
    share = initial_share(decay, steps, 1 if warm else None)
    if share < LEAST:
        return []
    return [cautions.initial_weights(share, decay, steps, assumed=origin == ASSUMED, raw=values.get("other_weights"))]


def decay_of(family, content):
    """Return (decay of the averages or None, whether it was read or is the family's usual one)."""
    arguments = arguments_of(content)
    found = [look_up(content, key) for key in DECAYS] + [arguments.get(name) for name in ("ema_decay", "ema_rate")]
    read = next((_number(value) for value in found if isinstance(_number(value), float)), None)
    return (read, READ) if read is not None and 0 < read <= 1 else (USUAL.get(family), ASSUMED)


def steps_of(content):
    """Return the steps that a file says were taken, by a counter of its own or its optimiser's; else None."""
    counted = [_number(look_up(content, key)) for key in STEPS]
    for key in OPTIMIZERS:
        state = look_up(content, f"{key}.state")
        if isinstance(state, dict) and state:
            counted.append(_number(look_up(next(iter(state.values())), "step")))
    return next((int(value) for value in counted if value is not None and value >= 0), None)


def _number(value):
    """Return a plain number, that of a tensor of one element too; None for anything else."""
    if hasattr(value, "numel") and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value

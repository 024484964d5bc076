"""Exponential moving average of weights that soon forgets the first ones.

    theta_ema <- decay_k theta_ema + (1 - decay_k) theta,      decay_k = min(decay, (1 + k) / (10 + k))

after step k = 0, 1, ... While the second term is the smaller one, the average spans about the last tenth of training,
whatever its length: after 10 000 steps decay_k is 0.9991; the 0.9999 of arXiv 2506.03719 is reached after 90 000.
"""

import torch


def ema_decay_at(step, decay):
    """Return decay_k of step k (0-based)."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update_ema(ema, module, step, decay):
    """Move the averages towards the module's weights, in place.

    Parameters
    ----------
    ema : dict of str to Tensor
        Averages by the names of ``module.state_dict()``, float32.
    module : torch.nn.Module
        Its weights after step `step`.
    step : int
        0-based number of the step just taken.
    decay : float
        Final decay, in [0, 1); 0 keeps the weights themselves.
    """
    weights = module.state_dict()
    torch._foreach_lerp_(list(ema.values()), [weights[name] for name in ema], 1 - ema_decay_at(step, decay))

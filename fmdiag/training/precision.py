"""Precision of training: bf16 autocast where a trial finds it faster on this device."""

import contextlib
import time

import torch

from fmdiag.training.losses import regression_loss

PRECISIONS = ("auto", "fp32", "bf16")
N_TIMED = 3
# A choice must not hang on timing noise: bf16 has to save a tenth of the time to be worth its rounding.
WORTHWHILE = 0.9


def autocast(device, precision):
    """Return the context in which the network's forward pass runs."""
    if precision == "bf16":
        return torch.autocast(torch.device(device).type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def measure_precision(module, shape, batch_size, device):
    """Return the choice and the seconds of a forward and backward pass in each precision; weights are untouched.

    Parameters
    ----------
    module : torch.nn.Module
        The network, on `device`.
    shape : sequence of int
        Shape of one sample.
    batch_size : int
        Samples per training step.
    device : str or torch.device
        Where training will run.

    Returns
    -------
    dict
        ``precision`` ("fp32" or "bf16"), ``fp32_seconds``, ``bf16_seconds``: the fastest of three passes each.
    """
    x, t = torch.zeros(batch_size, *shape, device=device), torch.full((batch_size,), 0.5, device=device)
    seconds = {"fp32": [], "bf16": []}
    for _ in range(N_TIMED + 1):
        for precision, times in seconds.items():
            times.append(_timed_pass(module, x, t, device, precision))
    # The first pass of each pays for allocation and compilation.
    fastest = {precision: min(times[1:]) for precision, times in seconds.items()}
    chosen = "bf16" if fastest["bf16"] < WORTHWHILE * fastest["fp32"] else "fp32"
    return {"precision": chosen, "fp32_seconds": fastest["fp32"], "bf16_seconds": fastest["bf16"]}


def _timed_pass(module, x, t, device, precision):
    _wait(device)
    start = time.perf_counter()
    with autocast(device, precision):
        velocity = module(x, t)
    regression_loss(velocity, x).mean().backward()
    _wait(device)
    module.zero_grad(set_to_none=True)
    return time.perf_counter() - start


def _wait(device):
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)

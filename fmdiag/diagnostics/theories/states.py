"""States at which theories are compared with the network: training paths, held-out paths, the model's own trajectories.

Number k of every kind starts at the same initial noise, so that the kinds differ by what they lead to alone.
"""

from dataclasses import dataclass

import torch

from fmdiag.diagnostics.points.measurable import diverged
from fmdiag.sampling import nearest_time, trajectory


@dataclass(frozen=True)
class States:
    """States of one kind.

    Attributes
    ----------
    kind : str
        One of `names.KINDS`.
    pairs : Tensor of int64, shape (m,)
        Numbers of their initial noises.
    x : Tensor, float64, shape (times, m, *shape)
        The states, on the CPU.
    """

    kind: str
    pairs: torch.Tensor
    x: torch.Tensor


def on_paths(kind, noise, examples, numbers, path, times):
    """Return the States x_t = alpha_t x1 + sigma_t x0 of noise k and example k, as far as there are examples.

    Parameters
    ----------
    kind : str
        "train" or "heldout".
    noise : Tensor, shape (b, *shape)
    examples : Tensor, shape (b', *shape)
        Example k is for the noise of number k.
    numbers : Tensor of int64, shape (b,)
        Numbers of the noises.
    path : GaussianPath
    times : sequence of float
    """
    has = numbers < len(examples)
    x0, x1 = noise[has].double(), examples[numbers[has]].double()
    return States(kind, numbers[has], torch.stack([path.sample(x0, x1, t) for t in times]))


def own_trajectories(field, noise, numbers, training_set, times, n_steps, method):
    """Return (States of the model's own trajectories, its samples float32, bool per noise: whether it diverged)."""
    grid, found = trajectory(field, noise, n_steps, method, times=times)
    lost = diverged(found[-1], training_set).cpu()
    where = [grid.index(nearest_time(grid, t)) for t in times]
    x = torch.stack([found[k].cpu().double()[~lost] for k in where])
    return States("model", numbers[~lost], x), found[-1].cpu().float()[~lost], lost

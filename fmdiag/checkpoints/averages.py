"""Averaged beside raw weights: their flow matching losses on the same pairs, in each quarter of time.

    l(u) = ||u(x_t, t) - (x1 - x0)||^2, a mean over coordinates;     d_i = l(u_averaged) - l(u_raw) of pair i

Averages that are mostly initialisation, or that lag behind, copy nothing while the trained weights may. In each quarter
of time 64 pairs of noise and training row are drawn and both networks are asked at the same points, so that the noise
of the pairs cancels. They differ clearly where the mean of d lies more than 4 of its standard errors from 0, is more
than a tenth of the smaller loss, and more than a hundredth of the zero field's: then no verdict stands on the averages
without a remark. For equal networks Student's distribution with 63 degrees of freedom exceeds 4 once in 6000
quarters; the shares let pass what averaging is for, and rounding where both losses are nearly 0.
"""

import math
import warnings

import numpy as np
import torch

from fmdiag.checkpoints.cautions import averages_differ
from fmdiag.devices import is_of_the_machine
from fmdiag.errors import FmdiagError

QUARTERS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))
N_PAIRS, QUANTILE, MARGIN, LEAST = 64, 4.0, 0.1, 0.01
BYTES = 4 * 3  # of a parameter of the second network: in the file's content, twice, and in the module


def compare_weights(checkpoint, training_set, *, seed=0):
    """Note in the description how averaged and raw weights differ on the training rows; a caution where clearly.

    The raw weights are loaded for this and given back at once; where memory does not suffice the note says so.

    Parameters
    ----------
    checkpoint : Checkpoint
        Read with its averages; nothing is done where it has no raw weights beside.
    training_set : TrainingSet
        The rows that it was trained on.
    seed : int
        Of pairs and noise.
    """
    if checkpoint.raw is None:
        return
    known = checkpoint.description
    if BYTES * known["parameters"] > available_memory():
        known["averages"] = {"compared": False, "reason": "memory for a second network does not suffice"}
        return
    points = _points(training_set, getattr(checkpoint.field, "reachable", (0.0, 1.0)), seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a file that is read a second time
            losses = [_losses(unguided(one.field), *points) for one in _one_by_one(checkpoint)]
    except (FmdiagError, MemoryError, RuntimeError) as error:
        if not isinstance(error, FmdiagError) and not is_of_the_machine(error):
            raise
        known["averages"] = {"compared": False, "reason": str(error)}
        return
    zero = _losses(lambda x, t: torch.zeros_like(x), *points).mean(1)
    found = differences(*losses, zero)
    known["averages"] = {"compared": True, "quarters": [list(ends) for ends in QUARTERS], **found}
    if (k := found["differs"]) is not None:
        numbers = (found[name][k] for name in ("loss", "raw_loss", "difference", "error"))
        text = averages_differ(QUARTERS[k], N_PAIRS, *numbers)
        known["warnings"] += [text] * (text not in known["warnings"])


def differences(averaged, raw, zero):
    """Return mean losses, mean difference and standard error per quarter, and the quarter that differs most or None.

    Parameters
    ----------
    averaged, raw : ndarray, shape (4, n)
        Losses of the same pairs.
    zero : ndarray, shape (4,)
        Mean losses of the zero field.
    """
    d = averaged - raw
    mean, error = d.mean(1), d.std(1, ddof=1) / math.sqrt(d.shape[1])
    smaller = np.minimum(averaged.mean(1), raw.mean(1))
    clear = (np.abs(mean) > QUANTILE * error) & (np.abs(mean) > np.maximum(MARGIN * smaller, LEAST * zero))
    share = np.where(clear, np.abs(mean) / np.maximum(smaller, np.finfo(float).tiny), 0)
    return {"loss": averaged.mean(1).tolist(), "raw_loss": raw.mean(1).tolist(), "difference": mean.tolist(),
            "error": error.tolist(), "differs": int(share.argmax()) if clear.any() else None}


def available_memory():
    """Return the bytes that a new allocation may take, infinity where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return math.inf


def unguided(field):
    """Return a field without guidance, which is no part of what the network was trained for."""
    if getattr(field, "guidance", 1) == 1:
        return field
    return type(field)(field.foreign, label=field.label)


def _one_by_one(checkpoint):
    yield checkpoint
    yield checkpoint.raw()


def _points(training_set, reachable, seed):
    """Return (x0, x1, t) of all quarters: shapes (4 n, *shape), (4 n, *shape), (4 n,); times in even steps."""
    generator = torch.Generator().manual_seed(seed)
    n = N_PAIRS * len(QUARTERS)
    rows = torch.randint(training_set.n_stored, (n,), generator=generator)
    x0 = torch.randn(n, *training_set.shape, generator=generator).double()
    steps = (torch.arange(N_PAIRS) + 0.5) / N_PAIRS
    low, high = reachable
    # Above the ends, where an output may be divided by t or 1 - t.
    ends = [(low + (high - low) * (0.02 + 0.96 * a), low + (high - low) * (0.02 + 0.96 * b)) for a, b in QUARTERS]
    return x0, training_set[rows.numpy()].double(), torch.cat([a + (b - a) * steps for a, b in ends]).double()


def _losses(field, x0, x1, t):
    """Return the loss of each pair, shape (4, n)."""
    along = t.reshape(-1, *[1] * (x0.ndim - 1))
    x = ((1 - along) * x0 + along * x1).float()
    velocity = field(x, t.float()).cpu().double()
    return (velocity - (x1 - x0)).square().flatten(1).mean(1).reshape(len(QUARTERS), -1).numpy()

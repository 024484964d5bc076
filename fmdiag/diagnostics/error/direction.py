"""Is a velocity field read the wrong way round? Its error against û* is compared with that of its mirror images.

A network whose time runs from data to noise, read as if it ran from noise to data, is u(x, t) = -v(x, 1 - t); one
whose sign is wrong, u = -v(x, t). Read rightly, even a network that is far from û* is closer to it than its mirror
images are; where one of these is closer by half, the reading is wrong.
"""

import torch

from fmdiag.diagnostics.points.pairs import draw_pairs
from fmdiag.fields import ClosedFormField

TIMES = (0.1, 0.25, 0.75, 0.9)
FACTOR = 0.5
MIRRORS = {"time": (-1, True), "sign": (-1, False), "time and sign": (1, True)}


def mirror_errors(field, training_set, *, times=TIMES, n_pairs=32, path=None, memory=None, device="cpu", generator):
    """Return {reading: mean squared error against û*}, for "as read" and each mirror image.

    Parameters
    ----------
    field : callable
        v(x, t), able to answer at t and 1 - t for every time.
    training_set, path, memory, device, generator
        As in `fmdiag.approximation_error`.

    Examples
    --------
    >>> import fmdiag, torch
    >>> train = fmdiag.load_dataset("digits", n=50)
    >>> errors = mirror_errors(fmdiag.ClosedFormField(train), train, generator=torch.Generator().manual_seed(0))
    >>> min(errors, key=errors.get)
    'as read'
    """
    u_star = ClosedFormField(training_set, path, memory=memory, device=device)
    pairs = draw_pairs(training_set, n_pairs, generator=generator)
    errors = dict.fromkeys(("as read", *MIRRORS), 0.0)
    for t in times:
        x, _ = pairs.at(u_star.path, t)
        optimum = u_star(x, t).cpu()
        for name, (sign, mirrored) in {"as read": (1, False), **MIRRORS}.items():
            velocity = field(x.float(), torch.full((n_pairs,), 1 - t if mirrored else t)).cpu().double()
            errors[name] += (sign * velocity - optimum).square().mean().item() / len(times)
    return errors


def wrong_reading(field, training_set, **options):
    """Return the mirror image ("time", "sign", "time and sign") that fits û* far better, or None; options as above."""
    low, high = getattr(field, "reachable", (0.0, 1.0))
    times = [t for t in TIMES if low <= min(t, 1 - t) and max(t, 1 - t) <= high]
    if not times:
        return None
    errors = mirror_errors(field, training_set, times=times, **options)
    best = min(MIRRORS, key=errors.get)
    return best if errors[best] < FACTOR * errors["as read"] else None

"""Stepwise error attack, SecMI: how far a step towards the noise and back leads away from an image's own trajectory.

The image is inverted deterministically, from the clean end down to t, by steps

    x_s = alpha_s D(x_t, t) + sigma_s e(x_t, t),      s < t,

and the score at t is -||x'_t - x_t||^2 per coordinate, where x'_t is one step on from x_t to s and back. The step on is
that of the inversion, so that one inversion serves all times. Where D is constant the steps are exact: û* near a
training image has an error of 0 late, and not early.

References
----------
Duan et al. 2023, "Are diffusion models vulnerable to membership inference attacks?", arXiv 2302.01316, equation 9.
"""

import math

import torch

from fmdiag.diagnostics.membership.attacks.asked import per_image, schedules

STEP = 0.02   # largest step in t


def secmi(asked):
    """Return minus the stepwise error, shape (b, times)."""
    x, found, wanted = asked.images, {}, set(asked.times)
    points = grid(asked.times, asked.clean)
    image, noise = asked.parts(x, points[0])
    for t, s in zip(points, points[1:], strict=False):
        ahead = _state(asked.path, image, noise, s)
        image, noise = asked.parts(ahead, s)
        if t in wanted:
            found[t] = -per_image((_state(asked.path, image, noise, t) - x).square())
        x = ahead
    return torch.stack([found[t] for t in asked.times], 1)


def grid(times, clean, step=STEP):
    """Return the times of an inversion, falling: from the clean end through all `times`, and one step beyond the last.

    The steps between two of the times are equal and no larger than `step`.
    """
    stops = sorted({max(clean, *times), *times}, reverse=True)
    points = [stops[0]]
    for start, end in zip(stops, stops[1:], strict=False):
        n = math.ceil((start - end) / step - 1e-9)
        points += [start + (end - start) * k / n for k in range(1, n)] + [end]
    last = points[-1]
    return [*points, last - min(step, last / 2)]


def _state(path, image, noise, t):
    alpha, sigma = schedules(path, t)[:2]
    return alpha * image + sigma * noise

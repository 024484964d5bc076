"""Proximal initialisation attacks, PIA and PIAN, which ask whether the field gives an image its own noise back.

    e0 = e(x, clean end),     PIA = mean over coordinates of |e0 - e(alpha x + sigma e0, t)|^4

The field names the noise of the image without noise, and is asked again at the state that this noise leads to. PIAN
first scales e0 so that its coordinates have the mean size sqrt(2 / pi) of standard normal ones.

References
----------
Kong et al. 2024, "An efficient membership inference attack for the diffusion model by proximal initialization", arXiv
2305.18355, equations 6 to 8 (p = 4).
"""

import math

import torch

from fmdiag.diagnostics.membership.attacks.asked import per_image, schedules


def pia(asked):
    """Return -PIA, shape (b, times)."""
    return _proximal(asked, asked.noise(asked.images, asked.clean))


def pian(asked):
    """Return -PIAN, shape (b, times)."""
    e0 = asked.noise(asked.images, asked.clean)
    size = per_image(e0.abs()).clamp(min=torch.finfo(e0.dtype).tiny).reshape(-1, *[1] * (e0.ndim - 1))
    return _proximal(asked, e0 * math.sqrt(2 / math.pi) / size)


def _proximal(asked, e0):
    found = []
    for t in asked.times:
        alpha, sigma = schedules(asked.path, t)[:2]
        found.append(-per_image((e0 - asked.noise(alpha * asked.images + sigma * e0, t)) ** 4))
    return torch.stack(found, 1)

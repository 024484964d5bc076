"""Score norm attack, SimA: how strongly the field would move an image that has no noise; one query per time.

    SimA = -||s(x, t)||,     s = -e(x, t) / sigma_t, the score at the image itself

A score that is small says that the image lies where the model's density is flat, at its peak.

References
----------
"SimA: single-query membership inference on diffusion models", arXiv 2509.25003.
"""

import torch

from fmdiag.diagnostics.membership.attacks.asked import schedules


def sima(asked):
    """Return minus the norm of the score at the images, shape (b, times)."""
    return torch.stack([-asked.noise(asked.images, t).flatten(1).norm(dim=1) / schedules(asked.path, t)[1]
                        for t in asked.times], 1)

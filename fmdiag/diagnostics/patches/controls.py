"""Positive controls of copied parts: samples of û*, whole copies of one image each, and of the local score, mosaics.

The local score of patches of 2 k - 1 pixels sees all k x k windows over a pixel and chooses each patch by itself: where
its samples settle, each pixel is that of the training image with the nearest patch around it, neighboring pixels mostly
of the same image, and neighboring regions of different ones. Three short last steps let nearly all pixels settle.

Not all of such a sample is copied windows: windows over the border of two regions are those of no image, and regions
narrower than k hold no window. How much that leaves is known from the sources of its pixels: ``python -m
checks.planted_patches`` compares.

Its training images are a subset, which suffices for mosaics of training images. On images hardly larger than a patch
the patch is the image, and its samples are whole copies too.
"""

import numpy as np
import torch

from fmdiag.closed_forms.local_score import LocalScoreField
from fmdiag.diagnostics.memorization.measure import closed_form_points, control_size
from fmdiag.diagnostics.points.checks import check_samples
from fmdiag.diagnostics.theories.samples import theory_samples
from fmdiag.fields import ClosedFormField
from fmdiag.sampling import draw_noise

ROWS, STEPS, LAST = 1000, 25, (0.98, 0.99, 0.999)


def whole_copies(training_set, n, *, given, n_steps, path, group, generator, memory, device):
    """Return (numbers, samples) of û*: at most n drawn ones, those given, or None where False is given."""
    u_star = ClosedFormField(training_set, path, memory=memory, device=device) if given is None else given
    return closed_form_points(u_star, training_set, min(n, control_size(training_set.n)), n_steps, group, generator)


def mosaics(training_set, n, k, *, given, path, group, generator, memory, device):
    """Return (numbers, samples) of the local score: n drawn ones, those given, or None where False is given.

    Parameters
    ----------
    k : int
        Side of the windows that are judged.
    """
    if given is False:
        return None
    if given is None:
        rows = training_set.subset(min(ROWS, training_set.n_stored))
        field = LocalScoreField(rows, path, k=2 * k - 1, memory=memory, device=device)
        noise = draw_noise(n, training_set.shape, generator=generator)
        grid = sorted([*torch.linspace(0, 1, STEPS + 1, dtype=torch.float64).tolist(), *LAST])
        given = torch.cat(group.spread(noise, lambda mine: theory_samples(field, mine, grid).float()))
    points = check_samples(given, training_set, what="sample of the local score")
    return np.arange(len(points)), points

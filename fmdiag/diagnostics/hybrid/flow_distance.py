"""Probability flow distance of the model from û*, and its anchors at equal numbers of examples.

The hybrids of tau = 0 and of tau = 1 are where the model and û* carry the same noises. What a distance between the two
means shows beside others from the same noises:

    closed_form    the model and û* of all training examples
    equal_train    the model and û* of m training examples
    equal_heldout  the model and û* of m held-out examples
    resampled      û* of these m training and û* of these m held-out examples: two samples of one distribution
    other_noise    the model and û* of all training examples from the next noise: only the distribution in common

m is the same for both kinds: as many as there are of the fewer, content that recurs left out. A model that knows
nothing of which examples it was trained on has equal_train and equal_heldout alike in distribution; û* of the training
examples has closed_form 0. Intervals are over noises, for these examples: whether equal_train is smaller because they
were trained on is what same_row_excess of `fmdiag provenance` tests.

References
----------
Zhang et al. 2025, "Understanding Generalization in Diffusion Models via Probability Flow Distance", arXiv 2505.20123;
the held-out anchor at equal numbers is ours.
"""

import torch

from fmdiag.diagnostics.membership.examples import equal_sets
from fmdiag.diagnostics.points.flow_distance import distances
from fmdiag.fields import ClosedFormField
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import closed_form_samples

PAIRS = {"closed_form": ("model", "all"), "equal_train": ("model", "train"), "equal_heldout": ("model", "heldout"),
         "resampled": ("train", "heldout"), "other_noise": ("model", "next")}


def measure(samples, noise, training_set, *, features=("pixels",), n_steps=100, path=None, cache=None, memory=None,
            device="cpu", group=SINGLE):
    """Return the flow distances, a row per noise, feature and comparison; None unless tau = 0 and 1 were measured.

    Parameters
    ----------
    samples : dict of float to Tensor, shape (n, *shape)
        Hybrids by tau, as `sample_hybrids` returned them.
    noise : Tensor, shape (n, *shape)
        The noises that they started from.
    training_set : TrainingSet
        Without held-out examples the anchors that need them are left out.
    features, cache
        As in `fmdiag.diagnostics.points.flow_distance.distances`.
    n_steps, path, memory, device, group
        As in `fmdiag.hybrid`.

    Returns
    -------
    DataFrame or None
        Columns feature, maps, sample, distance.
    """
    if not {0.0, 1.0} <= set(samples):
        return None
    ends = {"model": samples[0.0], "all": samples[1.0], "next": samples[1.0].roll(-1, 0)}
    for kind, rows in zip(("train", "heldout"), equal_sets(training_set) or (), strict=False):
        u_star = ClosedFormField(rows, path, memory=memory, device=device)
        ends[kind] = torch.cat(group.spread(noise, lambda mine, u=u_star: closed_form_samples(u, mine, n_steps)))
    pairs = {name: pair for name, pair in PAIRS.items() if set(pair) <= set(ends)}
    return distances(ends, pairs, training_set, features=features, cache=cache, device=device)

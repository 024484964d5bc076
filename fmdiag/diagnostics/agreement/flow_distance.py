"""Probability flow distance between two models, beside that of each from û* of its own training set.

    models         both models
    closed_form_a  the first model and û* of its training examples; closed_form_b likewise
    resampled      û* of the first and û* of the second training set: two samples, no model
    other_noise    the first model's sample and the second's from the next noise: only the distribution in common

Models that memorise have the first û* distances near 0, and `models` near `resampled`; models that have learnt the
distribution have `models` far below all of these.

References
----------
Zhang et al. 2025, "Understanding Generalization in Diffusion Models via Probability Flow Distance", arXiv 2505.20123.
"""

import torch

from fmdiag.diagnostics.points.flow_distance import distances
from fmdiag.fields import ClosedFormField
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import closed_form_samples

PAIRS = {"models": ("a", "b"), "closed_form_a": ("a", "star_a"), "closed_form_b": ("b", "star_b"),
         "resampled": ("star_a", "star_b"), "other_noise": ("a", "next")}


def measure(samples, noise, training_sets, *, features=("pixels",), n_steps=100, paths=(None, None), cache=None,
            memory=None, device="cpu", group=SINGLE):
    """Return the flow distances, a row per noise, feature and comparison.

    Parameters
    ----------
    samples : pair of Tensor, shape (n, *shape)
        Of both models, from the same noises.
    noise : Tensor, shape (n, *shape)
    training_sets, paths : pair of TrainingSet, pair of GaussianPath or None
        Of the two models.
    features, cache
        As in `fmdiag.diagnostics.points.flow_distance.distances`; fitted to the first training set.
    n_steps, memory, device, group
        As in `fmdiag.hybrid`.

    Returns
    -------
    DataFrame
        Columns feature, maps, sample, distance.
    """
    ends = {"a": samples[0], "b": samples[1], "next": samples[1].roll(-1, 0)}
    for name, rows, path in zip("ab", training_sets, paths, strict=True):
        u_star = ClosedFormField(rows, path, memory=memory, device=device)
        ends[f"star_{name}"] = torch.cat(group.spread(noise, lambda mine, u=u_star: closed_form_samples(u, mine,
                                                                                                        n_steps)))
    return distances(ends, PAIRS, training_sets[0], features=features, cache=cache, device=device)

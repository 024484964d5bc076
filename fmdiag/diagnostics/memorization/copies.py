"""Copies made on purpose: training examples, exact and noisy, measured like samples for the power of the decision."""

import numpy as np
import torch

from fmdiag.diagnostics.memorization.decision import decide
from fmdiag.diagnostics.memorization.near import NEIGHBOR, nearness
from fmdiag.diagnostics.memorization.power import power
from fmdiag.diagnostics.memorization.rule import sound_spaces
from fmdiag.diagnostics.points.nearest_rows import nearest_rows

N_COPIES, NOISE = 64, 0.1


def power_of_the_rule(table, training_set, features, plan, context):
    """Return the table of the power of the decision on a memorization table, or None where there is nothing to say.

    Without held-out examples there is no rule; where copies are found, samples with more of them say nothing.

    Parameters
    ----------
    table : DataFrame
        As returned by `memorization.measure`.
    training_set : TrainingSet
    features : sequence of Feature
    plan : SearchPlan
    context : Context
        Gives generator, device and ranks.
    """
    spaces, pool = sound_spaces(table), table.attrs.get("pool")
    if not spaces or decide(spaces, pool).found:
        return None
    generator = context.generator()
    numbers = torch.randperm(training_set.n, generator=generator)[:N_COPIES].numpy()
    points = training_set[numbers]
    noise = NOISE * points.std() * torch.randn(points.shape, generator=generator)
    alternatives = {"exact copies": points, "copies with noise": points + noise}
    measured = {name: [_measured(made, training_set, feature, plan, context) for feature in features
                       if feature.name in {space.feature for space in spaces}]
                for name, made in alternatives.items()}
    return power(spaces, pool, measured, rng=np.random.default_rng(0))


def _measured(points, training_set, feature, plan, context):
    """Return (ratios, near) of copies: d1/d2, and how near they come to what they copy."""
    found = nearest_rows(points, training_set, feature=feature, device=context.device, group=context.group, plan=plan,
                         n_near=NEIGHBOR)
    return found.ratio, nearness(found.d1, found.near)

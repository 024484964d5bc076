"""Test distance of a look: the Fréchet distance of samples to held-out examples, where there are enough of both."""

from dataclasses import replace

import torch

from fmdiag.diagnostics.quality.measure import measure
from fmdiag.features.pca import N_COMPONENTS
from fmdiag.monitoring.onset import DISTANCE
from fmdiag.sampling import draw_noise, sample


def with_distance(setting, n_samples):
    """Return a Setting that measures frechet_test besides, where there are more examples than principal components.

    In the first 64 principal components of the training examples' pixels, with its jackknife interval. All looks draw
    their samples from the same initial noise.

    Parameters
    ----------
    setting : Setting
    n_samples : int
        Samples; up to 64 of them, or 64 training or held-out examples, are too few.
    """
    rows = setting.training_set
    if rows.unseen is None or min(n_samples, rows.n, rows.unseen.n) <= N_COMPONENTS:
        return setting

    def frechet_test(field, training_set):
        noise = draw_noise(n_samples, training_set.shape, generator=setting.generator())
        parts = setting.group.spread(noise, lambda mine: sample(field, mine, setting.n_steps, setting.method).cpu())
        found = measure(torch.cat(parts), training_set, metrics=("frechet",), generator=setting.generator())
        chosen = found[(found["metric"] == DISTANCE) & (found["source"] == "model")].iloc[0]
        return {DISTANCE: tuple(chosen[["value", "low", "high"]])}

    return replace(setting, measures=(*setting.measures, frechet_test))


def named(looks, n_samples):
    """Return a table of looks whose rows of the test distance say how many samples and which interval they have."""
    rows = (looks["quantity"] == DISTANCE) & looks["value"].notna()
    looks.loc[rows, ["n", "interval"]] = n_samples, "jackknife"
    return looks

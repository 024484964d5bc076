"""Samples of a run's model: a seed per sample, in batches that an interruption does not lose."""

import torch

from fmdiag.sampling import draw_noise, sample

BATCH = 256  # samples drawn together


def draw(run, n_samples, n_steps, method):
    """Return samples of the run's field, shape (n, *shape); ranks share the noises."""
    noise = draw_noise(n_samples, run.training_set.shape, generator=run.generator())
    return torch.cat(run.group.spread(noise, lambda mine: _in_batches(run, mine, n_steps, method)))


def _in_batches(run, noise, n_steps, method):
    def part(first):
        return run.kept("samples", {"first": first, "n": len(noise), "n_steps": n_steps, "method": method},
                        lambda: sample(run.field, noise[first : first + BATCH], n_steps, method))

    return torch.cat([part(first) for first in run.progress(range(0, len(noise), BATCH), "samples")])

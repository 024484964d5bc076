"""Random numbers of a training step, fixed by the seed and the step's number.

Each step has a generator of its own, seeded from (seed, step): a run that resumes at step k draws exactly what an
uninterrupted run draws there, and no generator's state need be saved. Draws are made on the CPU, so that they do not
depend on the device.
"""

import contextlib

import numpy as np
import torch


def step_generator(seed, step):
    """Return the CPU generator of training step `step` (0-based)."""
    return torch.Generator().manual_seed(_derived_seed(seed, step))


@contextlib.contextmanager
def seeded(seed, step, device="cpu"):
    """Run a block with torch's global generators seeded from (seed, step), and put them back afterwards.

    Weight initialisation and dropout draw from the global generators and take no other.
    """
    derived, device = _derived_seed(seed, step, 1), torch.device(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        # Not torch.manual_seed: it seeds every kind of device and, without CUDA, queues a call each time.
        torch.default_generator.manual_seed(derived)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(derived)
        yield


def draw_batch(training_set, batch_size, generator):
    """Return (x0, x1, t, rows) on the CPU: float32, shape (b, *shape), twice; uniform in [0, 1), and row numbers of x1.

    Rows are drawn with replacement from all n, mirror images included: on a set with flips this is training with random
    horizontal flips.
    """
    rows = torch.randint(training_set.n, (batch_size,), generator=generator)
    t = torch.rand(batch_size, generator=generator)
    x0 = torch.randn(batch_size, *training_set.shape, generator=generator)
    return x0, training_set[rows.numpy()], t, rows


def _derived_seed(*keys):
    # SeedSequence mixes its keys, so that neighbouring seeds and steps give unrelated streams.
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> np.uint64(1))

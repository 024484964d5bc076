"""Initial noise with a seed per sample, so that batch sizes and ranks change nothing."""

import torch


def draw_noise(n, shape, *, generator, start=0):
    """Return standard normal noise with a seed per sample, so that batch sizes and ranks change nothing.

    Parameters
    ----------
    n : int
        Number of samples.
    shape : tuple of int
        Shape of one sample.
    generator : torch.Generator
        Gives one base seed; sample i uses base + i.
    start : int
        Number of the first sample.

    Returns
    -------
    Tensor, float32, shape (n, *shape)
    """
    base = int(torch.randint(2**62, (1,), generator=generator))
    noise = torch.empty((n, *shape))
    for i in range(n):
        noise[i].normal_(generator=torch.Generator().manual_seed((base + start + i) % 2**63))
    return noise


def seeded(generator, seed):
    """Return the generator, or a new one of `seed` where it is None."""
    return torch.Generator().manual_seed(seed) if generator is None else generator

"""Scratch tensors that are used again: new ones would be fresh pages of memory, which cost as much as the sums."""

import math

import torch


class Scratch:
    """Tensors by name, whose content lasts until the name is asked for again.

    Parameters
    ----------
    device : torch.device
    dtype : torch.dtype
    """

    def __init__(self, device, dtype):
        self.device, self.dtype, self._kept = device, dtype, {}

    def __call__(self, name, shape):
        """Return the tensor of a name in some shape, its values whatever they are."""
        size, kept = math.prod(shape), self._kept.get(name)
        if kept is None or len(kept) < size:
            kept = self._kept[name] = torch.empty(size, dtype=self.dtype, device=self.device)
        return kept[:size].view(shape)

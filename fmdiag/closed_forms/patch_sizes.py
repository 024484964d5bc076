"""Patch sizes k of a theory of patches: one for all times, or a schedule k(t)."""

import torch

from fmdiag.closed_forms.boxes import check_size
from fmdiag.errors import FmdiagError


class PatchSizes:
    """Patch size at each time.

    Parameters
    ----------
    k : int or sequence of int
        Odd sizes of patches, in pixels: one, or one for each of `times`.
    times : sequence of float, optional
        Ascending times in [0, 1] of a schedule; a time between two takes the size of the nearer, of the earlier if both
        are as near.
    height, width : int
        Of the images.

    Raises
    ------
    FmdiagError
        If a size is even or larger than 2 h - 1, or the schedule has not one size for each time.
    """

    def __init__(self, k, times, height, width):
        several = isinstance(k, list | tuple) or hasattr(k, "__len__")
        if several != (times is not None) or (several and len(k) != len(times)):
            given = f"{len(k)} sizes" if several else "one size"
            raise FmdiagError(f"a schedule of patch sizes has one size for each of its times, got {given} and "
                              f"{'no' if times is None else len(times)} times: give k=7, or k=[11, 5] with "
                              "times=[0.2, 0.8]")
        self.sizes = tuple(check_size(size, height, width) for size in (k if several else [k]))
        self.times = tuple(float(t) for t in times) if several else (0.0,)
        if list(self.times) != sorted(set(self.times)) or not all(0 <= t <= 1 for t in self.times):
            raise FmdiagError(f"times of a schedule of patch sizes must ascend within [0, 1], got {list(self.times)}")

    def at(self, t):
        """Return the sizes at times t, shape (b,), as an int64 tensor of its shape."""
        between = [(first + second) / 2 for first, second in zip(self.times, self.times[1:], strict=False)]
        place = torch.bucketize(t.contiguous(), torch.tensor(between, dtype=torch.float64, device=t.device))
        return torch.tensor(self.sizes, device=t.device)[place]

    def __str__(self):
        if len(self.times) == 1:
            return f"k = {self.sizes[0]}"
        return "k(t) = " + ", ".join(f"{k} at {t:g}" for k, t in zip(self.sizes, self.times, strict=True))

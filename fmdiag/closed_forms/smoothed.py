"""Smoothed closed form: û* averaged over small perturbations of the point, so that examples blend near their borders.

    D(x, t) = (1 / M) sum_m D*(x + s z_m, t),      z_m ~ N(0, I), the posterior mean D* being û*'s.

The perturbations belong to a sample and stay the same at all its times, so that along a trajectory the field is smooth
and neither batch size nor order changes it.

References
----------
Scarvelis, Borde and Solomon, "Closed-form diffusion models", arXiv 2310.12395, section 4.
"""

import math

import torch

from fmdiag.closed_forms.base import QUERIES_AT_ONCE, ClosedForm
from fmdiag.errors import FmdiagError
from fmdiag.paths import times_like
from fmdiag.posterior import EmpiricalPosterior


class SmoothedField(ClosedForm):
    """û* smoothed over perturbations of its point; callable as v(x, t). With scale 0 it is û*.

    Parameters
    ----------
    training_set, path, memory, device
        As in `ClosedForm`.
    scale : float
        s >= 0, in units of the model range.
    n_perturbations : int
        M >= 1.
    seed : int
        Sample j draws its perturbations from seeds of its own that depend on this and j.
    block_rows : int, optional
        Examples at a time; it changes results by rounding only.

    Raises
    ------
    FmdiagError
        If a parameter is out of range.
    """

    def __init__(self, training_set, path=None, *, scale=0.1, n_perturbations=10, seed=0, memory=None, device="cpu",
                 block_rows=None):
        super().__init__(training_set, path, memory=memory, device=device)
        if not (scale >= 0 and math.isfinite(scale)):
            raise FmdiagError(f"the scale of perturbations must be 0 or more and finite, got {scale}: give e.g. 0.1")
        if isinstance(n_perturbations, bool) or int(n_perturbations) != n_perturbations or n_perturbations < 1:
            raise FmdiagError(f"n_perturbations must be a whole number from 1, got {n_perturbations}")
        self.scale, self.n_perturbations, self.seed = float(scale), int(n_perturbations), int(seed)
        self.settings = {"scale": self.scale, "n_perturbations": self.n_perturbations, "seed": self.seed}
        self.posterior = EmpiricalPosterior(self.training_set, self.path, memory=self.memory, device=device,
                                            block_rows=block_rows)

    def mean(self, x, t, *, samples=None):
        """Return D(x, t), float64, shape of x.

        Parameters
        ----------
        x : Tensor, shape (b, *shape)
            Points in model range.
        t : float or Tensor, shape (b,)
            Times with sigma_t > 0.
        samples : sequence of int, optional
            Number of the sample that each point belongs to, so that different samples have perturbations of their own;
            default: all points share those of sample 0.
        """
        self._check(x)
        t = times_like(t, x)
        if self.scale == 0:
            return self.posterior(x, t).mean.to(x.device)
        numbers = [0] * len(x) if samples is None else [int(j) for j in samples]
        if len(numbers) != len(x):
            raise FmdiagError(f"samples must have one number for each of the {len(x)} points, got {len(numbers)}")
        at_once = max(1, QUERIES_AT_ONCE // self.n_perturbations)
        parts = [self._smoothed(x[k : k + at_once], t[k : k + at_once], numbers[k : k + at_once])
                 for k in range(0, len(x), at_once)]
        return torch.cat(parts).to(x.device)

    def perturbations(self, sample):
        """Return z_1, ..., z_M of the sample of some number, float64, shape (M, *shape)."""
        base = int(torch.randint(2**62, (1,), generator=torch.Generator().manual_seed(self.seed)))
        generator = torch.Generator().manual_seed((base + sample) % 2**63)
        return torch.randn(self.n_perturbations, *self.training_set.shape, dtype=torch.float64, generator=generator)

    def _smoothed(self, x, t, numbers):
        drawn = {j: self.perturbations(j) for j in set(numbers)}
        z = torch.stack([drawn[j] for j in numbers]).to(self.device)
        points = x.to(self.device, torch.float64)[:, None] + self.scale * z
        mean = self.posterior(points.flatten(0, 1), t.repeat_interleave(self.n_perturbations)).mean
        return mean.reshape(points.shape).mean(1)

"""Base of the closed-form fields: a posterior mean D(x, t), written down for a training set, as a velocity field.

    v(x, t) = alpha'_t D(x, t) + (sigma'_t / sigma_t) (x - alpha_t D(x, t))

A theory defines `denoised`; what a caller may ask, in which dtype it is answered and how points are taken in pieces
that fit into memory is the same for all.
"""

import torch

from fmdiag.datasets import as_training_set
from fmdiag.devices import choose_device
from fmdiag.errors import FmdiagError
from fmdiag.memory import default_memory, in_pieces
from fmdiag.paths import as_path, times_like

QUERIES_AT_ONCE = 512


class ClosedForm:
    """A field made from a training set by a formula; callable as v(x, t).

    Parameters
    ----------
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that the formula is filled with, flips counted.
    path : GaussianPath, optional
        Default: the linear path.
    memory : int, optional
        Bytes that may be used; default as in `EmpiricalPosterior`.
    device : str or torch.device
        Where the arithmetic is done.

    Attributes
    ----------
    settings : dict
        The theory's own parameters, plain values: with the training set and the path they make the fingerprint.
    """

    keeps_contract = True

    def __init__(self, training_set, path=None, *, memory=None, device="cpu"):
        self.training_set, self.path = as_training_set(training_set), as_path(path)
        self.device = choose_device(device)
        self.memory = int(memory or default_memory(self.device))
        self.settings, self.queries_at_once = {}, QUERIES_AT_ONCE

    @property
    def fingerprint(self):
        """What tells this field from another: its class, its settings, the content of its training set, its path."""
        settings = "".join(f" {name}={value}" for name, value in sorted(self.settings.items()))
        return f"{type(self).__name__}{settings} {self.training_set.fingerprint} {self.path.describe()}"

    def __call__(self, x, t):
        """Return the velocity at x, shape (b, *shape), and t, a float or shape (b,), in the dtype of x."""
        return self.path.velocity_from_mean(self.mean(x, t), x.double(), t).to(x.dtype)

    def mean(self, x, t):
        """Return the posterior mean D(x, t), float64, of the shape and on the device of x.

        Parameters
        ----------
        x : Tensor, shape (b, *shape)
            Points in model range.
        t : float or Tensor, shape (b,)
            Times in [0, 1] with sigma_t > 0.

        Raises
        ------
        FmdiagError
            If the shape is not the training set's, x is not finite, or sigma_t = 0.
        """
        self._check(x)
        t = times_like(t, x).to(self.device)
        points, alpha, sigma = x.to(self.device, torch.float64), *self._schedule(t)
        parts = []

        def piece(k):
            parts.append(self.denoised(points[k], t[k], alpha[k], sigma[k]))

        self.queries_at_once = in_pieces(piece, len(points), self.queries_at_once, "points at a time")
        return torch.cat(parts).to(x.device)

    def denoised(self, x, t, alpha, sigma):
        """Return D at points of shape (b, *shape), times and schedules of shape (b,), all float64 on the device."""
        raise NotImplementedError

    def _schedule(self, t):
        alpha, sigma = self.path.alpha(t), self.path.sigma(t)
        if bool((sigma <= 0).any()):
            raise FmdiagError("a closed form has no velocity where sigma_t = 0 (t = 1): stop before, or take a method "
                              "that does not ask there (euler, midpoint)")
        return alpha, sigma

    def _check(self, x):
        shape = self.training_set.shape
        if tuple(x.shape[1:]) != shape or x.shape[0] == 0:
            raise FmdiagError(f"x must have shape (b, {', '.join(map(str, shape))}) with b >= 1, got {tuple(x.shape)}")
        if not bool(torch.isfinite(x).all()):
            raise FmdiagError("x holds NaN or infinite values")

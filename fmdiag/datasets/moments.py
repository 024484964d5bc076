"""Moments of an autoencoder's latents: means and deviations from which training samples a latent anew each time.

Scripts that encode a data set keep, per picture, an array of 2C channels: C means, then C further ones, which are
log-variances (``latent_dist.parameters`` of diffusers, with the clamp to [-30, 20] that its sampling has) or standard
deviations (EDM2's encoder). Which of the two cannot be seen, so that it must be said. The training distribution is

    (1 / n) sum_i N(mu_i, diag s_i²),

times the factor by which the script scales latents; û* of it is `fmdiag.posterior.spread`'s.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from fmdiag.datasets.training_set import TrainingSet
from fmdiag.errors import FmdiagError, check_choice

FORMATS = ("mean-logvar", "mean-std")
CLAMP = (-30.0, 20.0)   # of log-variances, as diffusers' DiagonalGaussianDistribution has it


@dataclass(frozen=True, eq=False, repr=False)
class Deviations(TrainingSet):
    """Standard deviations of the rows, made of what is stored when they are read."""

    logarithmic: bool = False

    def to_model_range(self, rows):
        """Return the deviations of stored `rows`, float32, in units of the model range."""
        stored = torch.from_numpy(np.require(rows, requirements="W")).float()
        if self.logarithmic:
            return (stored.clamp(*CLAMP) / 2).exp() / self.divisor
        if bool((stored < 0).any()):
            raise FmdiagError(f"{self.name}: standard deviations reach down to {stored.min().item():.3g}: if the "
                              "second half of the channels are log-variances, declare mean-logvar")
        return stored / self.divisor


def with_moments(training_set, moments, scale=None):
    """Return the set of means and deviations that rows of 2C channels hold; with moments None the set as it is.

    Parameters
    ----------
    training_set : TrainingSet
        Of floats, shape (n, 2C, ...), as stored.
    moments : str, optional
        ``"mean-logvar"`` or ``"mean-std"``: what the first and the second half of the channels are; the scale may
        follow, as in ``"mean-logvar:0.18215"``.
    scale : float, optional
        What sampled latents were multiplied with in training, default 1.

    Raises
    ------
    FmdiagError
        If the format is unknown, the number of channels is odd, the rows are no floats or have a map of their own,
        scale is not positive, or deviations are negative.
    """
    if moments is None:
        return training_set
    moments, colon, number = str(moments).partition(":")
    check_choice("format of moments", moments, FORMATS)
    scale = _scale(number if colon else 1.0 if scale is None else scale)
    name, rows = training_set.name, training_set.rows
    if rows.dtype.kind != "f" or (training_set.divisor, training_set.shift) != (1.0, 0.0):
        raise FmdiagError(f"{name}: moments are floats as the encoder wrote them, got {rows.dtype} with a range of "
                          "their own: leave --value-range out, and --moments for data that are no moments")
    if rows.shape[1] % 2:
        raise FmdiagError(f"{name}: moments {moments} need an even number of channels, means and as many "
                          f"{'log-variances' if moments == FORMATS[0] else 'deviations'}, got rows of shape "
                          f"{training_set.shape}: leave --moments out if they are latents")
    half = rows.shape[1] // 2
    spread = Deviations(rows[:, half:], divisor=1 / scale, name=name, hflip=training_set.hflip,
                        logarithmic=moments == "mean-logvar")
    spread[:1]   # refused now rather than in the midst of a measurement
    held_out = training_set.held_out_source and (lambda: with_moments(training_set.held_out, moments, scale))
    return replace(training_set, rows=rows[:, :half], divisor=1 / scale, spread=spread, held_out_source=held_out)


def _scale(given):
    try:
        scale = float(given)
    except (TypeError, ValueError):
        scale = np.nan
    if not (np.isfinite(scale) and scale > 0):
        raise FmdiagError(f"the scale of latents must be a positive number, as in mean-logvar:0.18215, got {given!r}")
    return scale


def with_noise(training_set, deviation):
    """Return the same rows with Gaussian noise of one deviation added anew in training, in units of the model range.

    Raises
    ------
    FmdiagError
        If the deviation is negative or not finite.
    """
    if not (isinstance(deviation, int | float) and np.isfinite(deviation) and deviation >= 0):
        raise FmdiagError(f"the deviation of added noise must be a number from 0 on, got {deviation}")
    return replace(training_set, spread=float(deviation) or None)


def sampled(training_set, numbers, generator):
    """Return rows by number as training saw them, sampled anew, float32, shape (b, *shape)."""
    rows, spread = training_set[numbers], training_set.spread
    if spread is None:
        return rows
    return rows + (spread if isinstance(spread, float) else spread[numbers]) * torch.randn(rows.shape,
                                                                                          generator=generator)

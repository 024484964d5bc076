"""Measurable samples: finite and not far outside the data; the others diverged on their way.

A sample counts as diverged if a value of it is NaN or infinite, or further from 0 than FAR times the largest value of
the training rows (of 1, where these are smaller). Diverged samples are counted, named in a warning, and left out; a
measurement ends only where all of them are. Where most samples lie that far out, they have another scale and did not
diverge: that is for `fmdiag.diagnostics.points.checks` to judge.
"""

import warnings

import numpy as np
import torch

from fmdiag.diagnostics.points.checks import check_samples
from fmdiag.errors import FmdiagError, FmdiagWarning

FAR = 10.0
N_COMPARED = 1000


def measurable(samples, training_set):
    """Return (numbers, samples, remark): the samples that can be measured, and their numbers among those given.

    Parameters
    ----------
    samples : Tensor or ndarray, shape (n, *shape)
        In model range.
    training_set : TrainingSet
        Gives shape and scale.

    Returns
    -------
    ndarray of int64 of shape (m,), Tensor of shape (m, *shape) on the CPU, str or None
        The last says how many were left out.

    Raises
    ------
    FmdiagError
        If there is no sample, the shape differs, or no sample is finite.
    """
    samples = check_samples(samples, training_set, finite=False)
    bad = diverged(samples, training_set)
    if bool((bad & finite(samples)).sum() * 2 > finite(samples).sum()):
        bad = ~finite(samples)
    remark = say_left_out(bad, "samples")
    return np.flatnonzero(~bad), samples if remark is None else samples[~bad], remark


def finite(samples):
    """Return which samples have finite values only: bool, shape (n,)."""
    return torch.isfinite(samples).flatten(1).all(1)


def diverged(samples, training_set):
    """Return which samples are not finite or far outside the data: bool, shape (n,), on their device."""
    return ~(samples.flatten(1).abs().amax(1) <= limit(training_set))


def limit(training_set):
    """Return the largest distance from 0 that a value of a sample may have; of large sets 1000 rows are looked at."""
    rows = training_set[np.arange(0, training_set.n, max(1, training_set.n // N_COMPARED))[:N_COMPARED]]
    return FAR * max(1.0, float(rows.abs().max()))


def say_left_out(bad, what):
    """Warn of what is left out, `bad` (bool, shape (n,)) saying which, and return the sentence, None where nothing is.

    Raises
    ------
    FmdiagError
        If nothing remains.
    """
    count, n = int(bad.sum()), len(bad)
    if not count:
        return None
    if count == n:
        raise FmdiagError(f"all {n} {what} diverged: NaN, infinite, or far outside the data; check the model, its "
                          "time direction and range, and the number of steps")
    remark = f"{count} of {n} {what} diverged (NaN, infinite or far outside the data): left out of what is measured"
    warnings.warn(remark, FmdiagWarning, stacklevel=4)
    return remark


def noted(table, remark):
    """Return a table that carries the sentence on what was left out of it, where there is one, as attrs["diverged"]."""
    if remark is not None:
        table.attrs["diverged"] = remark
    return table

"""Samples that a diagnostic judges: those of the user, read from a file or given as an array, or the model's own."""

from pathlib import Path

import numpy as np
import torch

from fmdiag.datasets import load_dataset

N_SAMPLES = 1024


def judged_samples(context, parameters):
    """Return (samples in model range, shape (n, *shape), and what run.json records of them).

    Parameters
    ----------
    context : Context
        Draws samples where none are given.
    parameters : Judged
        samples, sample_range, n_samples, n_steps, method.
    """
    given = parameters.samples
    if given is None:
        samples = context.samples(parameters.n_samples or N_SAMPLES, parameters.n_steps, parameters.method)
    else:
        samples = given if isinstance(given, torch.Tensor | np.ndarray) else _read(context, parameters)
        samples = samples[: parameters.n_samples]
    return samples, {"n_samples": len(samples), "samples": "drawn" if given is None else "given",
                     "n_steps": parameters.n_steps, "method": parameters.method if given is None else None}


def _read(context, parameters):
    source = parameters.samples
    source = Path(source) if isinstance(source, str) else source
    return load_dataset(source, value_range=parameters.sample_range, **context.reading("size", "skip_bad"))[:]

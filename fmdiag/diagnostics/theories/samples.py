"""Samples of theories from the network's own initial noises, and how alike the two are."""

import numpy as np
import pandas as pd
import torch

from fmdiag.diagnostics.theories.scores import fit

COLUMNS = ["theory", "fitted_on", "sample", "r2", "squared_correlation"]


def theory_samples(theory, x0, grid):
    """Return where a closed form leads noise, float64, shape (b, *shape), by steps that keep D over each of them:

        x' = alpha' D + (sigma' / sigma) (x - alpha D).

    On the linear path this is Euler's step; on any path DDIM's (Song et al., arXiv 2010.02502). The last step, where
    sigma' = 0, ends on D and asks nothing at t = 1.

    Parameters
    ----------
    theory : field
        With `mean` and `path`.
    x0 : Tensor, shape (b, *shape)
        Noise.
    grid : sequence of float
        Times from 0 to 1.
    """
    path, x = theory.path, x0.double()
    alpha, sigma = (schedule(torch.tensor(grid, dtype=torch.float64)).tolist() for schedule in (path.alpha, path.sigma))
    for k, t in enumerate(grid[:-1]):
        mean = theory.mean(x, t).to(x.device)
        x = alpha[k + 1] * mean + sigma[k + 1] / sigma[k] * (x - alpha[k] * mean)
    return x


def compared_samples(found, network, numbers):
    """Return the rows theory, fitted_on, sample, r2, squared_correlation of samples from the same noises.

    Parameters
    ----------
    found : dict of (str, str) to Tensor, shape (b, *shape)
        (theory, fitted_on) -> its samples.
    network : Tensor, shape (b, *shape)
        The network's.
    numbers : Tensor of int64, shape (b,)
        Numbers of the initial noises.
    """
    tables = [pd.DataFrame({"theory": name, "fitted_on": fitted_on, "sample": np.asarray(numbers),
                            **fit(samples, network)}) for (name, fitted_on), samples in found.items()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)

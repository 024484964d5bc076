"""Scores of a theory's velocity, or sample, beside the network's: squared error, cosine, r², squared correlation.

With u the network's values at one state and v the theory's, both as vectors of their coordinates,

    r² = 1 - SS_res / SS_tot,    SS_res = ||u - v||²,    SS_tot = ||u - m(u)||²,

m(u) the mean over the coordinates of this one u: r² is 1 where they agree, 0 for a theory that knows no more than the
mean of the picture, and has no lower bound. The squared correlation is Pearson's, squared: the r² of the best line
through the pairs (v, u), never below it and blind to a factor and a constant. Publications call either of them r².
"""

import torch

from fmdiag.diagnostics.points.pairs import cosine


def fit(theory, network):
    """Return {"r2", "squared_correlation"}, each an ndarray of shape (b,); NaN where SS_tot, or the theory's, is 0.

    Parameters
    ----------
    theory, network : Tensor, shape (b, *shape)
        Velocities or samples.
    """
    v, u = theory.double().flatten(1), network.double().flatten(1)
    total = (u - u.mean(1, keepdim=True)).square().sum(1)
    rest = (u - v).square().sum(1)
    r2 = torch.where(total > 0, 1 - rest / total, torch.nan)
    correlation = cosine(u - u.mean(1, keepdim=True), v - v.mean(1, keepdim=True))
    return {"r2": r2.numpy(), "squared_correlation": correlation.square().numpy()}


def scores(theory, network, optimum):
    """Return the columns of velocities at states: squared_error, optimum_error, squared_norm, cosine, those of `fit`.

    Parameters
    ----------
    theory, network, optimum : Tensor, shape (b, *shape)
        Velocities of the theory, the network and û*.
    """
    u, v, star = (x.double().flatten(1) for x in (network, theory, optimum))
    return {"squared_error": (u - v).square().mean(1).numpy(), "cosine": cosine(u, v).numpy(), **fit(v, u),
            "optimum_error": (u - star).square().mean(1).numpy(), "squared_norm": u.square().mean(1).numpy()}

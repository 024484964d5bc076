"""Diagonal and trace of the Jacobian of a field's posterior mean, exactly or by random probes.

Each coordinate of the diagonal says how much of a change of one coordinate of the state D keeps: 0 where D is fixed
whatever the state says, as that of û* is where one training example has all the weight. In few dimensions it comes from
the products with all unit vectors; else from K Rademacher probes z,

    diag J ~ mean of z * (J z),      tr J ~ mean of <z, J z>,

both without bias, with standard errors from the spread over the probes.

References
----------
Hutchinson 1989, "A stochastic estimator of the trace of the influence matrix"; Bekas, Kokiopoulou and Saad 2007, "An
estimator for the diagonal of a matrix".
"""

from dataclasses import dataclass

import torch

from fmdiag.memory import in_pieces
from fmdiag.sampling import draw_noise

EXACT_DIM = 128      # up to this many coordinates all unit vectors are taken
VECTORS = 4096       # products at a time
COORDINATES = 1 << 22


@dataclass(frozen=True)
class Diagonal:
    """Diagonal and trace of a Jacobian at b points, float64; errors are standard errors, 0 of exact values.

    Attributes
    ----------
    values, errors : Tensor, shape (b, dim)
    trace, trace_error : Tensor, shape (b,)
    """

    values: torch.Tensor
    errors: torch.Tensor
    trace: torch.Tensor
    trace_error: torch.Tensor


def draw_probes(n_points, n_probes, dim, *, generator):
    """Return Rademacher vectors, shape (n_points, n_probes, dim), a seed per point; None where dim <= EXACT_DIM."""
    drawn = draw_noise(n_points, (n_probes, dim) if dim > EXACT_DIM else (1,), generator=generator)
    return torch.where(drawn < 0, -1, 1).to(torch.int8) if dim > EXACT_DIM else None


def mean_diagonal(products, path, x, t, probes=None):
    """Return the Diagonal of dD/dx.

    Parameters
    ----------
    products : JacobianProducts
        Of the field.
    path : GaussianPath
        Turns products of dv/dx into those of dD/dx.
    x : Tensor, shape (b, *shape)
        States, in the dtype that the field is asked in.
    t : float
    probes : Tensor, shape (b, K, dim), optional
        As `draw_probes` returns them; None: exactly.
    """
    dim, parts = x[0].numel(), []
    n_vectors = dim if probes is None else probes.shape[1]

    def piece(some):
        points = x[some]
        vectors = (torch.eye(dim, dtype=torch.float64).expand(len(points), dim, dim) if probes is None
                   else probes[some].double())
        flat = vectors.reshape(-1, *x.shape[1:])
        found = products(points, t, flat.to(x.device))
        kept = path.mean_from_velocity(found.cpu(), flat, t).reshape(vectors.shape) * vectors
        parts.append(_exact(kept) if probes is None else _estimated(kept))

    in_pieces(piece, len(x), max(1, min(VECTORS, COORDINATES // dim) // n_vectors), "points at a time")
    return Diagonal(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _exact(kept):
    """Return values and errors where the vectors were the unit vectors: each has one coordinate of the diagonal."""
    values = kept.sum(1)
    return values, torch.zeros_like(values), values.sum(1), torch.zeros_like(values[:, 0])


def _estimated(kept):
    """Return means over the probes with their standard errors."""
    root, traces = kept.shape[1] ** 0.5, kept.sum(2)
    return kept.mean(1), kept.std(1) / root, traces.mean(1), traces.std(1) / root

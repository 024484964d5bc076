"""Couplings of gradient variance: independent, optimal transport, rotated, or pairs that somebody fixed.

independent: rows drawn for each noise. ot: one optimal assignment of all n. ot-batch: one per batch of `batch` pairs,
as minibatch OT trains. rotated: x1 is what optimal transport gives the *rotated* noise R x0, so that lines cross.
fixed: given pairs. generated: each noise with the sample that the field makes of it (1-ReFlow).
"""

from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from fmdiag.errors import FmdiagError, check_choice
from fmdiag.fields.gaussian import rotation
from fmdiag.files.npz import NUMBERS, read_npz
from fmdiag.files.regular import check_regular
from fmdiag.sampling import draw_noise, sample

COUPLINGS = ("independent", "ot", "ot-batch", "rotated", "fixed", "generated")
MOST_ASSIGNED = 20_000
RATIO = 20  # bytes of pairs for each byte of a large file: noise packs by little


def optimal_partners(x0, x1):
    """Return p that minimises sum_i ||x0_i - x1_p(i)||^2, an int64 Tensor of shape (n,): exact, in O(n^3) at worst."""
    if len(x0) > MOST_ASSIGNED:
        raise FmdiagError(f"optimal transport of {len(x0)} pairs would need {len(x0) ** 2 * 8 / 1e9:.0f} GB: give at "
                          f"most {MOST_ASSIGNED}")
    # Squares of each side alone do not change which permutation is best.
    cost = -(x0.flatten(1).double() @ x1.flatten(1).double().T)
    return torch.from_numpy(linear_sum_assignment(cost.cpu().numpy())[1])


def coupled_pairs(kind, training_set, n, *, field=None, angle=180.0, batch=64, pairs=None, n_steps=51, generator):
    """Return n pairs (x0, x1), float32 in model range, shape (n, *shape) each.

    Parameters
    ----------
    kind : str
        One of `COUPLINGS`.
    training_set : TrainingSet
        Where x1 comes from; not used for fixed and generated pairs.
    n : int
        Number of pairs; of fixed pairs, the first n.
    field : callable, optional
        For generated pairs.
    angle : float
        Degrees of the rotation in the planes of coordinates (1, 2), (3, 4), ...
    batch : int
        Pairs per assignment for ot-batch.
    pairs : tuple of Tensor, optional
        The fixed pairs (x0, x1).
    n_steps : int
        Euler steps of generated pairs.
    """
    check_choice("coupling", kind, COUPLINGS)
    if kind == "fixed":
        if pairs is None:
            raise FmdiagError("the fixed coupling needs pairs: give --pairs FILE")
        return pairs[0][:n], pairs[1][:n]
    x0 = draw_noise(n, training_set.shape, generator=generator)
    if kind == "generated":
        return x0, sample(field, x0, n_steps)
    if kind in ("ot", "rotated") and n <= training_set.n:
        rows = torch.randperm(training_set.n, generator=generator)[:n]
    else:
        rows = torch.randint(training_set.n, (n,), generator=generator)
    x1 = training_set[rows.numpy()]
    if kind == "independent":
        return x0, x1
    turned = x0 if kind != "rotated" else rotate(x0, angle)
    size = batch if kind == "ot-batch" else n
    return x0, torch.cat([x1[k : k + size][optimal_partners(turned[k : k + size], x1[k : k + size])]
                          for k in range(0, n, size)])


def rotate(x, angle):
    """Return every sample turned by `angle` degrees in the planes of consecutive coordinates; shape kept."""
    flat = x.flatten(1)
    if angle % 360 == 180:
        return -x
    turn, even = rotation(2, angle).to(x), flat.shape[1] // 2 * 2
    turned = flat.clone()
    turned[:, :even] = (flat[:, :even].reshape(len(flat), -1, 2) @ turn.T).reshape(len(flat), even)
    return turned.reshape(x.shape)


def load_pairs(file, shape=None):
    """Return (x0, x1), float32, shape (n, *shape), of an .npz with arrays x0 and x1 in model range.

    Raises
    ------
    FmdiagError
        If the file is missing or no .npz, an array is missing, shapes differ, or a value is not finite.
    """
    file = Path(file)
    check_regular(file, ".npz file with arrays x0 and x1 of one shape (n, ...)")
    parts = read_npz(file, ("x0", "x1"), kinds=NUMBERS, ratio=RATIO).values()
    return _checked(file, *parts, shape)


def _checked(file, x0, x1, shape):
    if x0.shape != x1.shape or x0.ndim < 2 or len(x0) < 2:
        raise FmdiagError(f"{file}: x0 and x1 must have one shape (n, ...) with n >= 2, got {x0.shape} and {x1.shape}")
    if shape is not None and tuple(x0.shape[1:]) != tuple(shape):
        raise FmdiagError(f"{file}: the pairs have shape {x0.shape[1:]}, the model takes {tuple(shape)}: give pairs of "
                          "this model")
    if x0.dtype.kind not in "fiu" or x1.dtype.kind not in "fiu":
        raise FmdiagError(f"{file}: x0 and x1 must be numbers in model range, got {x0.dtype} and {x1.dtype}")
    for name, part in (("x0", x0), ("x1", x1)):
        if not np.isfinite(part).all():
            raise FmdiagError(f"{file}: {name} holds NaN or infinity in row "
                              f"{int(np.argwhere(~np.isfinite(part))[0][0])}: remove it")
    return tuple(torch.from_numpy(part.astype(np.float32)) for part in (x0, x1))

"""Checks of feature arrays, which every metric asks for before it computes anything."""

import numpy as np
import torch

from fmdiag.errors import FmdiagError


def checked(least=1, optional=(), **arrays):
    """Return the arrays as float64, shape (n, dim), in the order given; an optional one that is None stays None.

    Parameters
    ----------
    least : int or dict of str to int
        Fewest rows that each array (or the named ones) must have.
    optional : iterable of str
        Arrays that may be None.
    **arrays
        Feature arrays by what they are, e.g. ``generated=…, train=…``; Tensor or ndarray, shape (n, dim).

    Raises
    ------
    FmdiagError
        If an array is not two-dimensional, has too few rows, another dimension than the first, or values that are NaN
        or infinite.
    """
    given, dim = [], None
    for name, array in arrays.items():
        if array is None and name in optional:
            given.append(None)
            continue
        if array is None:
            raise FmdiagError(f"this metric needs {name} features, got None: give a set with a {name} part")
        values = _float64(name, array)
        dim = dim or values.shape[1]
        fewest = least.get(name, 1) if isinstance(least, dict) else least
        if values.shape[1] != dim:
            raise FmdiagError(f"{name} features have {values.shape[1]} dimensions, {next(iter(arrays))} features "
                              f"{dim}: embed both in the same feature space")
        if len(values) < fewest:
            raise FmdiagError(f"this metric needs at least {fewest} {name} rows, got {len(values)}: give more")
        given.append(values)
    return given


def _float64(name, array):
    array = array.detach().cpu().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)
    if array.ndim != 2 or array.shape[1] == 0 or array.dtype.kind not in "fiub":
        raise FmdiagError(f"{name} features must be numbers of shape (n, dim), got {array.dtype} of shape "
                          f"{array.shape}: flatten images first")
    values = array.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise FmdiagError(f"{name} features: row {bad[0]} holds NaN or infinite values ({bad.size} of {len(values)} "
                          "rows do): leave them out")
    return values


def numpy_generator(generator):
    """Return a NumPy generator that is seeded by the next draw of a torch Generator."""
    return np.random.default_rng(torch.randint(2**63 - 1, (1,), generator=generator).item())


def subset(rows, most, rng):
    """Return `rows`, or `most` of them drawn without replacement where there are more, in their order."""
    if most is None or len(rows) <= most:
        return rows
    return rows[np.sort(rng.choice(len(rows), most, replace=False))]

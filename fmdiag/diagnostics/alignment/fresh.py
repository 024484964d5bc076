"""Collapse of the posterior along fresh noise paths, which lead to an example that is not among the training examples.

A training path x_t = alpha X_i + sigma x0 contains its own source, which takes the weight as soon as its shell is
thinner than the distance to the others. A fresh path contains none:

    x_t = alpha z + sigma x0,    x0 ~ N(0, I),    z held out,

or, without held-out examples, z = X_i with every training example left out that equals it, mirror images included.
On such a path the log-weights of the training examples are, up to a constant,

    l_i = s <x0, X_i> - s² ||z - X_i||² / 2,    s = alpha / sigma,

two products for all times. The effective sample size 1 / sum lambda_i² counts the training examples that explain x_t.

    collapse time     the first t at which its geometric mean over paths falls below 2
    stage boundary    the first t at which the median of the largest weight exceeds 0.9

log ESS = 0 is never reached, so that the collapse has a threshold: fewer than two examples. Both times come with the
interval of times at which the curve's own band holds the threshold.

References
----------
Biroli, Bonnaire, de Bortoli, Mézard 2024, Nature Communications 15, 9957 (the collapse as the vanishing of the number
of examples in the shell, here from the data instead of a Gaussian's entropy); Liu et al. 2025, arXiv 2512.02826 (the
stages before and after one example has the weight).
"""

import numpy as np
import pandas as pd
import torch

from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.alignment.fresh_sums import path_sums
from fmdiag.diagnostics.alignment.transitions import crossing_interval
from fmdiag.diagnostics.points.pairs import check_times
from fmdiag.paths import as_path
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import draw_noise, seeded
from fmdiag.stats import bounded_interval, median_interval, row

FEWER_THAN = 2.0
TOP_WEIGHT = 0.9


def measure(training_set, *, times, n_paths=128, path=None, device="cpu", progress=iter, group=SINGLE, generator=None,
            seed=0):
    """Return the posterior's concentration along fresh noise paths, a row per path and time.

    Parameters
    ----------
    training_set : TrainingSet
        The examples of the posterior; its held-out examples are the ends of the paths.
    times : sequence of float
        In [0, 1).
    n_paths : int
        Paths (x0, z), the same at every time; z is drawn with replacement.
    path, device, progress, group, generator, seed
        As in `fmdiag.alignment`; ranks share the paths.

    Returns
    -------
    DataFrame
        Columns dim, n, t, path (number), end ("heldout" or "left_out"), ess in [1, n], max_weight in [1/n, 1]. Empty
        where no other example is left.
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    times, schedule = check_times(times), as_path(path)
    ends = training_set if training_set.unseen is None else training_set.unseen
    rows = torch.randint(ends.n, (n_paths,), generator=generator)
    x0, z = draw_noise(n_paths, training_set.shape, generator=generator), ends[rows.numpy()]
    own = ends is training_set
    t = torch.tensor(times, dtype=torch.float64)
    s = schedule.alpha(t) / schedule.sigma(t)

    def found(mine):
        return path_sums(training_set, x0[mine], z[mine], rows[mine] if own else None, s, device, progress)

    sums = torch.cat(group.spread(torch.arange(n_paths), found), 2)       # (2, T, paths)
    weight, square = sums.numpy()
    keys = {"dim": training_set.dim, "n": training_set.n, "t": np.repeat(times, n_paths),
            "path": np.tile(np.arange(n_paths), len(times)), "end": "left_out" if own else "heldout"}
    some, (weight, square) = weight.ravel() > 0, (np.where(weight > 0, part, 1.0).ravel() for part in (weight, square))
    return pd.DataFrame({**keys, "ess": weight**2 / square, "max_weight": 1 / weight})[some].reset_index(drop=True)


def summarise(name, fresh, training):
    """Return the summary rows of fresh and of training paths.

    Parameters
    ----------
    name : str
        Of the diagnostic.
    fresh : DataFrame
        As `measure` returned it, of one or several dims; may be empty.
    training : DataFrame
        The raw table of training paths: columns dim, t, pair and max_weight.

    Returns
    -------
    DataFrame
        Per dim: stage_boundary and stage_boundary_fresh, the first t at which the median of max_weight exceeds 0.9 on
        training and on fresh paths; collapse_time_fresh, at which the geometric mean of ess falls below 2; with their
        `threshold`, the interval of times at which the band of the curve holds it, and a `note` where there is no
        value. Per dim and t: ess_fresh, the geometric mean, with Gaffke's interval of the mean logarithm.
    """
    rows = []
    for dim, part in training.groupby("dim"):
        rows.append(_crossing(name, "stage_boundary", _medians(part), TOP_WEIGHT, TOP_WEIGHT, part["pair"], dim))
        part = fresh[fresh["dim"] == dim]
        if len(part):
            curve = _logarithms(part)
            falling = np.stack([curve[0], *-curve[[1, 3, 2]]])
            paths, log = part["path"], -np.log(FEWER_THAN)
            rows += [_crossing(name, "collapse_time_fresh", falling, log, FEWER_THAN, paths, dim),
                     _crossing(name, "stage_boundary_fresh", _medians(part), TOP_WEIGHT, TOP_WEIGHT, paths, dim),
                     *(row(name, "ess_fresh", tuple(np.exp(found).tolist()), n=part["path"].nunique(),
                           interval="bounded", t=t, dim=dim) for t, *found in curve.T)]
    return pd.DataFrame(rows)


def _medians(table):
    """Return (t, value, low, high) of the median of max_weight per time, shape (4, T)."""
    return np.array([(t, *median_interval(part["max_weight"])) for t, part in table.groupby("t")]).T


def _logarithms(table):
    """Return (t, value, low, high) of the mean of log ess per time, shape (4, T)."""
    within = (0.0, float(np.log(table["n"].iloc[0])))
    return np.array([(t, *bounded_interval(np.log(part["ess"]), within=within)) for t, part in table.groupby("t")]).T


def _crossing(name, quantity, curve, level, threshold, units, dim):
    """Return the row of the time at which a rising curve (t, value, low, high) reaches a level."""
    found = tuple(float(end) for end in crossing_interval(*curve, level))
    note = {} if found[0] == found[0] else {"note": f"before t = {found[2]:g}, the first time asked"
                                            if found[2] == found[2] else f"not reached by t = {curve[0][-1]:g}"}
    return row(name, quantity, found, n=units.nunique(), interval="band crossing", dim=dim, threshold=threshold, **note)

"""Provenance of samples: the posterior over training rows along their trajectories.

At a state x_t of a trajectory, row i has the weight

    lambda_i(x_t, t) = softmax_i(-||x_t - alpha_t X_i||² / (2 sigma_t²)),

how much of û* at that state is the pull of row i. Along the trajectory of the model, and along that of û* from the same
noise. Copies of one row count as one.

Memorisation: one row takes all the weight early and the sample ends on it. Generalisation: late in time, at states that
are no training rows, the weight still passes from row to row, or the last row is not what the sample shows. At t near 1
some row always has weight 1, the nearest one: only with a distance near 0 is it a source.

References
----------
Bertrand et al., arXiv 2506.03719, section 2; the order of weights is the order of ||x_t / alpha_t - X_i|| (derived).
"""

import numpy as np
import pandas as pd
import torch

from fmdiag import stats
from fmdiag.datasets import as_training_set
from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.points.measurable import diverged, noted, say_left_out
from fmdiag.diagnostics.points.pairs import check_times
from fmdiag.diagnostics.points.pictures import as_pictures
from fmdiag.errors import FmdiagError
from fmdiag.fields import ClosedFormField, as_field
from fmdiag.neighbors import nearest
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import draw_noise, seeded, trajectory

NAME = "provenance"
TIMES = [*(round(0.05 * k, 2) for k in range(20)), 0.99]
N_ROWS = 6
OTHERS = -1
_COLUMNS = ["t", "row", "n_copies", "weight"]


@by_card
def measure(field, training_set, *, samples=8, times=None, n_rows=N_ROWS, n_steps=100, method="euler", path=None,
            memory=None, device="cpu", group=SINGLE, generator=None, seed=0):
    """Return the weights of training rows along trajectories, a row per source, sample, time and training row.

    Parameters
    ----------
    field : callable
        v(x, t) of the network.
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that it was trained on.
    samples : int or sequence of int
        How many samples, or which of those that this generator draws.
    times : sequence of float, optional
        Times in [0, 1); default 0, 0.05, ..., 0.95, 0.99, as far as the field's schedule reaches.
    n_rows : int
        Training rows named per trajectory: those of the largest weight at any time.
    n_steps, method
        Solver, as in `fmdiag.sample`; the grid has all times.
    path, memory, device, group, generator, seed
        As in `fmdiag.alignment`.

    Returns
    -------
    DataFrame
        Columns source (model, closed_form), sample, t, row (of copies the first; -1: all others together), n_copies
        (rows counted as this one), weight. The weights of one source, sample and time add up to 1.

    Raises
    ------
    FmdiagError
        If there is no sample, or a time is outside [0, 1).

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits", n=20)
    >>> table = fmdiag.provenance(fmdiag.ClosedFormField(train), train, samples=2)
    >>> sums = table.groupby(["source", "sample", "t"]).weight.sum()
    >>> bool(((sums - 1).abs() < 1e-12).all())
    True
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    field = as_field(field)
    times = check_times(TIMES if times is None else times)
    numbers = np.arange(samples) if isinstance(samples, int) else np.asarray(samples)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or numbers.size == 0 or numbers.min() < 0:
        raise FmdiagError(f"samples must be a number of samples or their numbers from 0 on, got {samples!r}")
    noise = draw_noise(int(numbers.max()) + 1, training_set.shape, generator=generator)[numbers]
    u_star = ClosedFormField(training_set, path, memory=memory, device=device)
    tables, remark = [], None
    for source, velocity in (("model", field), ("closed_form", u_star)):
        parts = group.spread(torch.arange(len(numbers)), lambda mine, velocity=velocity: _trajectories(
            u_star, velocity, noise[mine], numbers[mine.numpy()], times, n_rows, n_steps, method))
        table = pd.concat([part for part in parts if len(part)] or parts)
        remark = remark or say_left_out(~np.isin(numbers, table["sample"].unique()), "trajectories")
        tables.append(table.assign(source=source))
    return noted(pd.concat(tables, ignore_index=True)[["source", "sample", "t", "row", "n_copies", "weight"]], remark)


def _trajectories(u_star, velocity, noise, numbers, times, n_rows, n_steps, method):
    grid, states = trajectory(velocity, noise, n_steps, method, times=times)
    whole = ~diverged(states[-1], u_star.training_set).cpu()
    if not bool(whole.any()):
        return pd.DataFrame(columns=["sample", *_COLUMNS])
    states, numbers = [x[whole] for x in states], numbers[whole.numpy()]
    kept = [k for k, t in enumerate(grid) if min(abs(t - s) for s in times) < 1e-9]
    weights = row_weights(u_star, torch.stack([states[k].cpu() for k in kept]), [grid[k] for k in kept], n_rows)
    return pd.concat([part.assign(sample=number) for number, part in zip(numbers, weights, strict=True)])


def row_weights(u_star, states, times, n_rows=N_ROWS):
    """Return per trajectory a table t, row, n_copies, weight; `states`: Tensor, shape (times, b, *shape)."""
    train, groups = u_star.training_set, np.asarray(duplicate_groups(u_star.training_set))
    n_copies = np.bincount(groups, minlength=train.n)
    first = np.flatnonzero(groups == np.arange(train.n))
    near = _nearest_rows(train, groups, states, [float(u_star.path.alpha(torch.tensor(t))) for t in times], n_rows)
    total = [_log_total(u_star, x, t) for x, t in zip(states, times, strict=True)]
    tables = []
    for b, rows in enumerate(near):
        rows = rows if rows.size else first[:n_rows]
        points = train[rows].double().flatten(1)
        weights = np.stack([_weights(u_star, states[k, b], points, total[k][b], t) for k, t in enumerate(times)])
        weights *= n_copies[rows]
        best = np.argsort(-weights.max(0), kind="stable")[:n_rows]
        tables.append(_table(times, rows[best], n_copies[rows[best]], weights[:, best], train.n))
    return tables


def _nearest_rows(train, groups, states, alphas, n_rows):
    """Return per trajectory the distinct rows among the nearest to x_t / alpha_t at any time: those of most weight."""
    found = [[] for _ in range(states.shape[1])]
    for x, alpha in zip(states, alphas, strict=True):
        if alpha > 0:
            rows = nearest(x.double() / alpha, train, n_neighbors=min(2 * n_rows, train.n)).rows
            for collected, these in zip(found, rows, strict=True):
                collected.append(groups[these])
    return [np.unique(np.concatenate(rows)) if rows else np.array([], dtype=np.int64) for rows in found]


def _log_total(u_star, x, t):
    """Return log sum_i exp(l_i) at states x, from the posterior's density."""
    found = u_star.posterior(x.double(), t)
    sigma = float(u_star.path.sigma(torch.tensor(t, dtype=torch.float64)))
    dim, n = u_star.training_set.dim, u_star.training_set.n
    return found.log_density.cpu().numpy() + np.log(n) + 0.5 * dim * np.log(2 * np.pi * sigma**2)


def _weights(u_star, x, points, log_total, t):
    time = torch.tensor(t, dtype=torch.float64)
    alpha, sigma = u_star.path.alpha(time), u_star.path.sigma(time)
    distances = (x.double().flatten() - alpha * points).square().sum(1)
    return np.exp((-distances / (2 * sigma**2)).numpy() - log_total)


def _table(times, rows, n_copies, weights, n):
    rest = np.clip(1 - weights.sum(1), 0, 1)
    shares = np.column_stack([weights, rest])
    shares /= shares.sum(1, keepdims=True)   # rounding only
    k = len(rows) + 1
    return pd.DataFrame({"t": np.repeat(times, k), "row": np.tile([*rows, OTHERS], len(times)),
                         "n_copies": np.tile([*n_copies, n - n_copies.sum()], len(times)), "weight": shares.ravel()})


def summarise(table):
    """Return the summary rows per source and t: top_weight, mean over samples of the largest weight of a named row.

    The interval is Gaffke's of a mean in [0, 1], which holds for the few samples that are followed by default: the
    percentile bootstrap over 8 of them misses in one of six.
    """
    named = table[table["row"] != OTHERS]
    top = named.groupby(["source", "sample", "t"], as_index=False)["weight"].max()
    return stats.summarise(NAME, top.rename(columns={"weight": "top_weight"}), ["top_weight"], by=["source", "t"],
                           within={"top_weight": (0.0, 1.0)})


def pictures(table, samples, training_set, *, decoder=None):
    """Return the arrays of the figure: the samples at t = 1 and the rows that the table names.

    Parameters
    ----------
    table : DataFrame
        As `measure` returned it.
    samples : dict of str to Tensor, shape (b, *shape)
        Source -> ends of its trajectories, in the order of the table's samples.
    training_set : TrainingSet
        The rows that the table names.
    decoder : callable, optional
        Turns latents into pictures; see `fmdiag.diagnostics.points.pictures`.
    """
    rows = np.unique(table.loc[table["row"] != OTHERS, "row"])
    facts = {"rows": rows, "samples": pd.unique(table["sample"])}
    shown = {f"{source}_images": as_pictures(x.cpu(), training_set, decoder) for source, x in samples.items()}
    shown["row_images"] = as_pictures(training_set[rows], training_set, decoder)
    return facts | {name: images for name, images in shown.items() if images is not None}

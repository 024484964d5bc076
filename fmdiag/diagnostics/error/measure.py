"""Approximation error ||u_theta - û*||^2 per t: where a model leaves the minimiser of its own objective.

With x_t on the path of a training pair (x0, x1), all as means over coordinates,

    L_CFM(t) = E||u_theta - û*||^2 + E||u_cond - û*||^2,     E||u_cond - û*||^2 = c_t E[tr Cov_lambda(x_t)],

c_t = 1 / (1 - t)^2 on the linear path: the conditional variance is the floor below which no loss can fall. A model
that memorises has a small error at every t; one that generalises leaves û* at intermediate t and near t = 1 (Bertrand
et al., arXiv 2506.03719, figure 2, left).

Training states alone do not say where samples go: the same is measured at states on held-out paths, on the model's own
trajectories and on û*'s (`states`), with the distance to the nearest training row beside it (`bands`), and the gap of
the loss between held-out and training states (`gap`).
"""

import warnings

import numpy as np
import pandas as pd
import torch

from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.error import bands
from fmdiag.diagnostics.error.comparison import Comparison, evaluate, mean_square
from fmdiag.diagnostics.error.states import chosen_kinds, partners
from fmdiag.diagnostics.error.summary import NAME, summarise
from fmdiag.diagnostics.points.measurable import noted
from fmdiag.diagnostics.points.pairs import check_times, draw_pairs, joined
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import ClosedFormField, as_field
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import seeded
from fmdiag.sampling.integrate import check_steps

__all__ = ["NAME", "evaluate", "mean_square", "measure", "reachable_times", "summarise"]
TIMES = [round(0.02 * k, 2) for k in range(50)] + [0.99]
BLOCK_BYTES = 1 << 26


@by_card
def measure(field, training_set, *, states=None, times=None, n_pairs=256, n_steps=50, method="euler", n_band=None,
            path=None, memory=None, device="cpu", progress=iter, group=SINGLE, generator=None, seed=0):
    """Return the error of a velocity field against û*, a row per state and time.

    Parameters
    ----------
    field : callable
        v(x, t) -> velocity, x of shape (b, *shape), t of shape (b,).
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that the field was trained on.
    states : str or sequence of str, optional
        Where the field is looked at: train, heldout (needs held-out rows), model, closed_form; default all that apply.
        Names may be joined by commas. Rows of training states are the same whatever else is asked for.
    times : sequence of float, optional
        Times in [0, 1); default 0, 0.02, ..., 0.98, 0.99. Times outside a field's ``reachable = (low, high)`` are left
        out, with a warning.
    n_pairs : int
        Pairs (x0, x1), and states of every other kind: pair k of all kinds has the same x0. Held-out rows are as many
        as there are, each in the place of one training row.
    n_steps, method
        Solver of the trajectories, as in `fmdiag.sample`; their grid has all `times` besides.
    n_band : int, optional
        Further training paths that make the band; default by `bands.band_size`. 0: no band, as where time is short.
    path, memory, device, progress, group, generator, seed
        As in `fmdiag.alignment`; the path must be the one the field was trained on. Each rank asks the field about its
        share of the states.

    Returns
    -------
    DataFrame
        Columns n, dim, t, pair, source_row (row of the training set, or of the held-out set; -1 on trajectories);
        squared_error ||u_theta - û*||^2, conditional_variance E||u_cond - û*||^2 given x_t, and cfm_loss ||u_theta -
        u_cond||^2 (NaN on trajectories, which have no u_cond), each a mean over coordinates; cosine between u_theta and
        û*; source_weight (of the training row on its path, else NaN); largest_variance, which no conditional_variance
        at that t can exceed; states (train, heldout, model, closed_form); top_weight (largest posterior weight);
        shell min_i ||x_t - alpha X_i|| / (sigma sqrt(dim)) over training rows, and source_shell, the same to the source
        (NaN on trajectories); unit, which numbers pairs whose training and held-out rows could change places, -1 for
        others; shell_low and shell_high, the ends of the central 99 % of shell on n_band further training paths
        (NaN and 0 where there is none, as where training states alone are asked for).

    Raises
    ------
    FmdiagError
        If the field returns another shape or values that are not finite, a time is outside [0, 1), a kind of states is
        unknown, or all of the field's trajectories diverge at once. Single ones are left out from there on, with a
        warning.

    References
    ----------
    Bertrand et al., arXiv 2506.03719, figure 2. The decomposition is that of a conditional expectation. States off the
    training paths: Song et al., arXiv 2510.01378; Kollmann and Kaiser, arXiv 2603.13419.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits")
    >>> table = fmdiag.approximation_error(fmdiag.ClosedFormField(train), train, times=[0.5], n_pairs=8)
    >>> bool(table.squared_error.max() < 1e-10)
    True
    >>> table.states.unique().tolist()
    ['train', 'heldout', 'model', 'closed_form']
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    field, kinds = as_field(field), chosen_kinds(states, training_set)
    check_steps(n_steps, method)
    times = reachable_times(field, check_times(TIMES if times is None else times))
    pairs = draw_pairs(training_set, n_pairs, generator=generator)
    u_star = ClosedFormField(training_set, path, memory=memory, device=device, group=group)
    apart = [torch.Generator().manual_seed(int(base)) for base in torch.randint(2**62, (2,), generator=generator)]
    at = Comparison(field, u_star, times, _largest_square(training_set, group) / training_set.dim, group, progress)
    others = partners(training_set, pairs, generator=apart[0]) if "heldout" in kinds else None
    found = {"train": lambda: at.train(pairs), "heldout": lambda: at.held_out(others),
             "model": lambda: at.model(pairs.x0, n_steps, method),
             "closed_form": lambda: at.closed_form(pairs.x0, n_steps)}
    # Of states on trajectories there are none where every trajectory diverged, which the remark says.
    tables = {kind: joined(found[kind](), group) for kind in kinds}
    table = pd.concat([part.assign(states=kind) for kind, part in tables.items() if len(part)], ignore_index=True)
    of_rows = table["source_row"] >= 0
    table["unit"] = np.where(of_rows, others.units[table["pair"]], -1) if others is not None else -1
    without = n_band == 0 or kinds == ["train"]
    band = (bands.no_band(times) if without else
            bands.band(u_star, training_set, at.seen, n_band=n_band, generator=apart[1]))
    for name, values in band.items():
        table[name] = table["t"].map(dict(zip(times, values, strict=True)).get)
    table.insert(0, "n", training_set.n)
    table.insert(1, "dim", training_set.dim)
    return noted(table, at.remark)


def reachable_times(field, times):
    """Return the times that the field can answer; say which are left out."""
    low, high = getattr(field, "reachable", (0.0, 1.0))
    kept = [t for t in times if low <= t <= high]
    if not kept:
        raise FmdiagError(f"the model's schedule covers t in [{low:.4g}, {high:.4g}] only: give --times in it")
    if len(kept) < len(times):
        out = [t for t in times if t not in kept]
        warnings.warn(f"{len(out)} of {len(times)} times left out ({', '.join(f'{t:g}' for t in out[:4])}"
                      f"{', ...' if len(out) > 4 else ''}): the model's schedule covers t in [{low:.4g}, {high:.4g}] "
                      "only", FmdiagWarning, stacklevel=3)
    return kept


def _largest_square(training_set, group):
    """Return the largest squared norm of a row: no distribution over the rows has a larger variance."""
    largest, size = torch.zeros(1, dtype=torch.float64), max(1, BLOCK_BYTES // (8 * training_set.dim))
    for _, rows in training_set.blocks(size, rows=group.share(training_set.n)):
        largest = torch.maximum(largest, rows.double().flatten(1).square().sum(1).max())
    return group.max(largest).item()

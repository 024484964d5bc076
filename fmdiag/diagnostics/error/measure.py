"""Approximation error ||u_theta - û*||^2 per t: where a model leaves the minimiser of its own objective.

With x_t on the path of a training pair (x0, x1), all as means over coordinates,

    L_CFM(t) = E||u_theta - û*||^2 + E||u_cond - û*||^2,     E||u_cond - û*||^2 = c_t E[tr Cov_lambda(x_t)],

c_t = 1 / (1 - t)^2 on the linear path: the conditional variance is the floor below which no loss can fall. A model
that memorises has a small error at every t; one that generalises leaves û* at intermediate t and near t = 1 (Bertrand
et al., arXiv 2506.03719, figure 2, left).
"""

import warnings

import pandas as pd
import torch

from fmdiag import stats
from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.points.pairs import check_times, cosine, draw_pairs, joined, shared
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import ClosedFormField, as_field
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import seeded

NAME = "error"
TIMES = [round(0.02 * k, 2) for k in range(50)] + [0.99]
COLUMNS = ["squared_error", "conditional_variance", "cfm_loss", "cosine", "source_weight"]
WITHIN = {"cosine": (-1.0, 1.0), "source_weight": (0.0, 1.0)}
BLOCK_BYTES = 1 << 26


def measure(field, training_set, *, times=None, n_pairs=256, path=None, memory=None, device="cpu", progress=iter,
            group=SINGLE, generator=None, seed=0):
    """Return the error of a velocity field against û*, a row per pair and time.

    Parameters
    ----------
    field : callable
        v(x, t) -> velocity, x of shape (b, *shape), t of shape (b,).
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that the field was trained on.
    times : sequence of float, optional
        Times in [0, 1); default 0, 0.02, ..., 0.98, 0.99. Times outside a field's ``reachable = (low, high)`` are left
        out, with a warning.
    n_pairs, path, memory, device, progress, group, generator, seed
        As in `fmdiag.alignment`; the path must be the one the field was trained on. Each rank asks the field about its
        share of the pairs.

    Returns
    -------
    DataFrame
        Columns n, dim, t, pair, source_row; squared_error ||u_theta - û*||^2, conditional_variance E||u_cond - û*||^2
        given x_t, and cfm_loss ||u_theta - u_cond||^2, each a mean over coordinates; cosine between u_theta and û*;
        source_weight; largest_variance, which no conditional_variance at that t can exceed.

    Raises
    ------
    FmdiagError
        If the field returns another shape or values that are not finite, or a time is outside [0, 1).

    References
    ----------
    Bertrand et al., arXiv 2506.03719, figure 2. The decomposition is that of a conditional expectation.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits")
    >>> table = fmdiag.approximation_error(fmdiag.ClosedFormField(train), train, times=[0.5], n_pairs=8)
    >>> bool(table.squared_error.max() < 1e-10)
    True
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    field = as_field(field)
    times = reachable_times(field, check_times(TIMES if times is None else times))
    pairs = draw_pairs(training_set, n_pairs, generator=generator)
    u_star = ClosedFormField(training_set, path, memory=memory, device=device, group=group)
    # In float32, so that û* is asked at the very times that the network sees.
    seen = torch.tensor(times, dtype=torch.float32).double().tolist()
    curve = u_star.posterior.curve(pairs.x0, pairs.x1, pairs.rows, seen)
    reach = _largest_square(training_set, group) / training_set.dim
    parts = [_part(field, u_star, pairs, times[k], seen[k], reach, chosen, found)
             for k, chosen, found in shared(progress(curve), group)]
    table = joined(parts, group)
    table.insert(0, "n", training_set.n)
    table.insert(1, "dim", training_set.dim)
    return table


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


def _part(field, u_star, pairs, label, t, reach, chosen, found):
    """Return the rows of some pairs, `chosen`, at one time from their Posterior `found`."""
    chosen = chosen.cpu()
    xt, target = pairs.select(chosen).at(u_star.path, t)
    optimum = u_star.velocity(found, xt, t)
    velocity = evaluate(field, xt.float(), t)
    factor = u_star.path.variance_factor(torch.tensor(t)).item()
    return pd.DataFrame({
        "t": label,
        "pair": chosen.numpy(),
        "source_row": pairs.rows[chosen].numpy(),
        "squared_error": mean_square(velocity - optimum),
        "conditional_variance": (factor * found.variance / u_star.training_set.dim).cpu().numpy(),
        "cfm_loss": mean_square(velocity - target),
        "cosine": cosine(velocity, optimum).numpy(),
        "source_weight": found.source_weight.cpu().numpy(),
        "largest_variance": factor * reach,
    })


def evaluate(field, x, t):
    """Return the field's velocity at one time on the CPU, checked: shape and finite values."""
    velocity = as_field(field)(x, torch.full((x.shape[0],), t, dtype=x.dtype)).cpu()
    if not bool(torch.isfinite(velocity).all()):
        raise FmdiagError(f"the field returned values that are not finite at t = {t}")
    return velocity


def mean_square(difference):
    """Return the mean over coordinates of the squares, float64 ndarray of shape (b,)."""
    return difference.double().flatten(1).square().mean(1).numpy()


def summarise(table):
    """Return the summary rows: each column's mean per t, with Gaffke's interval where the column has a range.

    The conditional variance and the source weight are nearly all at one end of their ranges at late t, with rare pairs
    elsewhere that decide the mean and that a sample may lack; Student's interval would miss it more often than not.
    """
    rows = [stats.summarise(NAME, group, COLUMNS, by=["t"], within=WITHIN | {
        "conditional_variance": (0.0, group["largest_variance"].iloc[0])}) for _, group in table.groupby("t")]
    return pd.concat(rows, ignore_index=True)

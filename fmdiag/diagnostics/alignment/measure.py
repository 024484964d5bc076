"""Alignment: the cosine between û*(x_t, t) and the conditional velocity x1 - x0 over time.

For pairs (x0, x1) ~ N(0, I) x training rows and x_t on the path, cos(û*(x_t, t), u_cond) is close to 1 where a single
training row explains x_t: there the target of the objective is as good as deterministic. In low dimensions this happens
late; in the dimension of images it happens early (Bertrand et al., arXiv 2506.03719, figure 1), so that target noise
cannot be the reason why image models generalise. It is a property of the data: no model is involved.
"""

import numpy as np
import pandas as pd
import torch

from fmdiag import stats
from fmdiag.datasets import as_training_set
from fmdiag.datasets.condition import unguided
from fmdiag.diagnostics.alignment.transitions import (
    collapse_time,
    crossing_interval,
    data_std,
    speciation_time,
    top_eigenvalue,
)
from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.points.pairs import check_times, cosine, draw_pairs, joined, shared
from fmdiag.fields import ClosedFormField
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import seeded

NAME = "alignment"
SHARE = "share_above_0.9"
# The six times of figure 1a among a grid in steps of 0.02.
TIMES = sorted({round(0.02 * k, 2) for k in range(1, 50)} | {round(t, 3) for t in np.linspace(0.01, 0.99, 6)})
COORDINATES_AT_ONCE = 1 << 18
COLUMNS = ["cosine", "source_weight", "max_weight", "ess", "entropy"]
WITHIN = {"cosine": (-1.0, 1.0), "source_weight": (0.0, 1.0), "max_weight": (0.0, 1.0), "entropy": (0.0, 1.0)}


@by_card
def measure(training_set, *, times=None, n_pairs=256, path=None, memory=None, device="cpu", progress=iter,
            group=SINGLE, generator=None, seed=0):
    """Return the alignment of û* with the conditional velocity, a row per pair and time.

    Parameters
    ----------
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that û* is made of, and that x1 is drawn from.
    times : sequence of float, optional
        Times in [0, 1); default 0.02, 0.04, ..., 0.98 with the six of figure 1a.
    n_pairs : int
        Number of pairs (x0, x1), the same at every time.
    path : GaussianPath, optional
        Default: linear.
    memory, device
        As in `EmpiricalPosterior`.
    progress : callable
        Wraps the iterable of parts, about one per time.
    group : Group
        Ranks of a torch.distributed process group that measure together; each makes this call, and has the table.
    generator, seed
        Draws the pairs; without a generator a new one of `seed`.

    Returns
    -------
    DataFrame
        Columns dim, image_size (side, or NaN for vectors), n, t, pair, source_row, cosine in [-1, 1], source_weight
        (posterior weight of the row that made x_t), max_weight, ess (1 / sum of squared weights, in [1, n]), entropy
        (H / log n, in [0, 1]), dropped_mass (bound on the share of the weight that is left out or moved by rounding),
        mean_error (bound on the Euclidean error of û*'s posterior mean; times the path's factor, 1 / (1 - t) on the
        linear one, of û* itself), data_std (per coordinate, model range) and top_eigenvalue (of the data's covariance).

    Raises
    ------
    FmdiagError
        If a time is outside [0, 1) or n_pairs < 1.

    References
    ----------
    Bertrand et al., arXiv 2506.03719, figures 1a and 1c.

    Examples
    --------
    >>> import fmdiag
    >>> table = fmdiag.alignment(fmdiag.load_dataset("digits"), times=[0.1, 0.9], n_pairs=64)
    >>> bool(table[table.t == 0.9].cosine.min() > 0.99)
    True
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    times = check_times(TIMES if times is None else times)
    pairs = draw_pairs(training_set, n_pairs, generator=generator)
    u_star = ClosedFormField(unguided(training_set), path, memory=memory, device=device, group=group)
    curve = u_star.posterior.curve(pairs.x0, pairs.x1, pairs.rows, times)
    parts = [_part(u_star, pairs, times[k], chosen, found) for k, chosen, found in shared(progress(curve), group)]
    table = joined(parts, group)
    side = training_set.shape[-1] if len(training_set.shape) == 3 else np.nan
    facts = {"dim": training_set.dim, "image_size": side, "n": training_set.n}
    for position, (column, value) in enumerate(facts.items()):
        table.insert(position, column, value)
    return table.assign(data_std=data_std(training_set, group=group), top_eigenvalue=top_eigenvalue(training_set))


def _part(u_star, pairs, t, chosen, found):
    """Return the rows of some pairs, `chosen`, at one time from their Posterior `found`."""
    chosen = chosen.cpu()
    return pd.DataFrame({
        "t": t,
        "pair": chosen.numpy(),
        "source_row": pairs.rows[chosen].numpy(),
        "cosine": _cosines(u_star.path, pairs.select(chosen), t, found.mean.cpu()).numpy(),
        "source_weight": found.source_weight.cpu().numpy(),
        "max_weight": found.top_weight.cpu().numpy(),
        "ess": found.ess.cpu().numpy(),
        "entropy": found.entropy.cpu().numpy(),
        "dropped_mass": found.dropped_mass.cpu().numpy(),
        "mean_error": found.mean_error.cpu().numpy(),
    })


def _cosines(path, pairs, t, mean):
    """Return the cosines of some pairs from their posterior means, few at a time so that nothing leaves the cache."""
    found = []
    for part in torch.arange(len(mean)).split(max(1, COORDINATES_AT_ONCE // mean[0].numel())):
        xt, target = pairs.select(part).at(path, t)
        found.append(cosine(path.velocity_from_mean(mean[part], xt, t), target))
    return torch.cat(found)


def summarise(table):
    """Return the summary rows: means per dim and t with intervals, share of cosines above 0.9, transition times.

    Intervals are Gaffke's where the column has a range: weights and cosines are nearly all at one end of it at early
    and at late t, where Student's interval, here that of ess only, misses the mean.
    The quantities collapse_time_predicted, collapse_time_measured (mean source_weight reaches 1/2) and speciation_time
    are single numbers per dim and carry no interval, except the measured one: where the band of the mean crosses 1/2.
    Where it has no value its column `note` says why: reached before the first time (low and high then are 0 and that
    time), or never.
    """
    means = stats.summarise(NAME, table, COLUMNS, by=["dim", "t"], within=WITHIN)
    above = table.assign(**{SHARE: table["cosine"] > 0.9})
    shares = stats.summarise(NAME, above, [SHARE], by=["dim", "t"], interval="exact")
    marks = [row for dim, group in table.groupby("dim") for row in _transition_rows(dim, group, means)]
    summary = pd.concat([means, shares, pd.DataFrame(marks)], ignore_index=True)
    return summary.assign(image_size=summary["dim"].map(table.groupby("dim")["image_size"].first()))


def _transition_rows(dim, group, means):
    first = group.iloc[0]
    curve = means[(means["dim"] == dim) & (means["quantity"] == "source_weight")]
    curve = curve.sort_values("t")
    crossing = crossing_interval(*(curve[name].to_numpy(float) for name in ("t", "value", "low", "high")))
    values = {
        "collapse_time_predicted": (collapse_time(first["n"], dim, first["data_std"]), np.nan, np.nan),
        "collapse_time_measured": crossing,
        "speciation_time": (speciation_time(first["top_eigenvalue"]), np.nan, np.nan),
    }
    for quantity, (value, low, high) in values.items():
        row = stats.summary_row(NAME, quantity, [value], dim=dim)
        kind = "band crossing" if quantity == "collapse_time_measured" else "none"
        note = {"note": _why_none(group, crossing)} if kind != "none" and value != value else {}
        note = {"note": "formula for isotropic data, for comparison"} if quantity.endswith("predicted") else note
        yield {**row, "low": low, "high": high, "n": group["pair"].nunique(), "interval": kind, **note}


def _why_none(group, crossing):
    """Return why no collapse time was measured."""
    if crossing[2] == crossing[2]:
        return f"before t = {crossing[2]:g}, the first time asked"
    last = group[group["t"] == group["t"].max()]
    never = f"not reached by t = {last['t'].iloc[0]:g}"
    if not group["data_std"].iloc[0] > 0:
        return f"{never}: all training examples are equal, so that none can outweigh the others"
    # Copies of one row share its weight evenly, whatever the time.
    shared = np.isclose(last["max_weight"] * last["ess"], 1, rtol=1e-3) & (last["ess"] > 1.5)
    if shared.mean() > 0.25:
        return f"{never}: {shared.mean():.0%} of the source rows occur more than once, and equal rows share the weight"
    return f"{never}: give later --times"

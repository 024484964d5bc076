"""Symmetry breaking: the top eigenvalue of the Jacobian of the posterior mean along trajectories of model and û*.

The posterior mean D(x, t), what a model takes x for, responds to a change of x by dD/dx, on the linear path

    dD/dx = I + (1 - t) dv/dx

(on any path `GaussianPath.mean_from_velocity`). Along a trajectory from the centre of the noise, x0 = 0, at which no
direction is preferred, the top eigenvalue rises from 0. With p_t the distribution of the states,

    sigma² Hessian of log p_t = alpha dD/dx - I,

so that where alpha times the top eigenvalue passes 1 the trajectory stands no longer at a mode but between modes: small
differences decide where it goes, and the symmetry is broken. For two points ±m that is at alpha |m| = sigma. For
Gaussian data it never happens: alpha² Lambda / (alpha² Lambda + sigma²) < 1.

Memorisation: the model's eigenvalue rises and falls with that of û*, to 0 after the collapse: one training example has
all the weight, and D no longer moves with x. Generalisation: it stays near 1 / alpha, as D goes on moving along the
directions in which the data vary.

References
----------
Raya and Ambrogioni 2023, "Spontaneous Symmetry Breaking in Generative Diffusion Models", arXiv 2305.19693 (the
fixed-point path); Kadkhodaie et al. 2024, arXiv 2310.02557 (the Jacobian of a denoiser).
"""

import numpy as np
import pandas as pd
import torch

from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.alignment.transitions import crossing_time
from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.error.measure import reachable_times
from fmdiag.diagnostics.points.measurable import diverged, noted, say_left_out
from fmdiag.diagnostics.points.pairs import check_times
from fmdiag.diagnostics.symmetry.closed_form import top_eigenvalue
from fmdiag.diagnostics.symmetry.power import BLOCK, top_eigenvalues
from fmdiag.fields import ClosedFormField, JacobianProducts, as_field
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import closed_form_states, draw_noise, nearest_time, seeded, time_grid, trajectory
from fmdiag.stats import median_interval, row, summary_row

NAME = "symmetry"
TIMES = [round(0.05 * k, 2) for k in range(1, 20)] + [0.98]
KEYS = ["field", "states", "kind"]


@by_card
def measure(field, training_set, *, times=None, n_noises=8, n_steps=100, method="euler", path=None, memory=None,
            device="cpu", progress=iter, group=SINGLE, generator=None, seed=0):
    """Return the top eigenvalues of dD/dx, a row per trajectory, time, field and kind of states.

    Parameters
    ----------
    field : callable
        v(x, t).
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that the field was trained on.
    times : sequence of float, optional
        Times in [0, 1); default 0.05, 0.1, ..., 0.95, 0.98.
    n_noises : int
        Trajectories from random noise, beside the one from the centre.
    n_steps, method
        Solver of the model's trajectories, as in `fmdiag.sample`.
    path, memory, device, progress, group, generator, seed
        As in `fmdiag.alignment`; ranks share the trajectories.

    Returns
    -------
    DataFrame
        Columns t, start (0: x0 = 0; then the noises), kind ("centre" or "noise"), field ("model", "closed_form"),
        states (whose trajectory: "model", or "closed_form" for û* alone), eigenvalue, alpha_eigenvalue (times
        alpha_t), residual (of the power iteration; 0 of an exact value) and derivative ("forward", "backward",
        "differences", or "exact" for û*).

    Raises
    ------
    FmdiagError
        If a time is outside [0, 1), or all trajectories diverge.

    Examples
    --------
    >>> import fmdiag
    >>> import numpy as np
    >>> train = fmdiag.TrainingSet(np.array([[2.0], [-2.0]], np.float32))
    >>> table = fmdiag.symmetry(fmdiag.ClosedFormField(train), train, times=[0.2, 0.5], n_noises=2)
    >>> centre = table[(table.kind == "centre") & (table.field == "closed_form")]
    >>> centre.groupby("t").eigenvalue.first().round(6).to_dict()       # t 2² / (1 - t)²
    {0.2: 1.25, 0.5: 8.0}
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    asked = as_field(field)
    times = reachable_times(asked, check_times(TIMES if times is None else times))
    noise = draw_noise(n_noises + 1, training_set.shape, generator=generator)
    noise[0] = 0
    vectors = draw_noise(n_noises + 1, (min(BLOCK, training_set.dim), training_set.dim), generator=generator).double()
    u_star = ClosedFormField(training_set, path, memory=memory, device=device)

    def found(mine):
        numbers = mine.tolist()
        states = {"model": _model_states(asked, noise[mine], n_steps, method, times),
                  "closed_form": _closed_form_states(u_star, noise[mine], n_steps, times)}
        return _table(field, u_star, states, vectors[mine], numbers, times, progress)

    tables = group.spread(torch.arange(n_noises + 1), found)
    table = pd.concat(tables, ignore_index=True)
    lost = table.groupby("start")["eigenvalue"].apply(lambda part: part.isna().any())
    remark = say_left_out(torch.tensor(lost.to_numpy()), "trajectories")
    table = table[~table["start"].map(lost)]
    return noted(table.sort_values(["t", "field", "states", "start"], ignore_index=True, kind="stable"), remark)


def _model_states(field, x0, n_steps, method, times):
    grid, states = trajectory(field, x0, n_steps, method, times=times)
    return [states[grid.index(nearest_time(grid, t))] for t in times]


def _closed_form_states(u_star, x0, n_steps, times):
    grid = time_grid(n_steps, times)
    chosen = [nearest_time(grid, t) for t in times]
    found = closed_form_states(u_star, x0, grid, sorted(set(chosen)))
    return [found[t] for t in chosen]


def _table(field, u_star, states, vectors, numbers, times, progress):
    """Return the rows of some trajectories."""
    products, rows = JacobianProducts(field), []
    for k, t in enumerate(progress(times)):
        x = states["model"][k]
        lost = diverged(x, u_star.training_set).cpu()
        x = torch.where(lost.reshape(-1, *[1] * (x.ndim - 1)).to(x.device), 0, x)
        value, residual, vectors = top_eigenvalues(
            lambda u, x=x, t=t: _posterior_product(products, u_star.path, x, t, u), vectors)
        found = {("model", "model"): (value.where(~lost, torch.nan), residual, products.method),
                 ("closed_form", "model"): (*_exact(u_star, x, t, lost), "exact"),
                 ("closed_form", "closed_form"): (*top_eigenvalue(u_star, states["closed_form"][k], t), "exact")}
        alpha = u_star.path.alpha(torch.tensor(t, dtype=torch.float64)).item()
        rows += [pd.DataFrame({"t": t, "start": numbers, "kind": np.where(np.array(numbers) == 0, "centre", "noise"),
                               "field": name, "states": whose, "eigenvalue": value.numpy(),
                               "alpha_eigenvalue": alpha * value.numpy(), "residual": residual.numpy(),
                               "derivative": derivative})
                 for (name, whose), (value, residual, derivative) in found.items()]
    return pd.concat(rows, ignore_index=True)


def _exact(u_star, x, t, lost):
    value, residual = top_eigenvalue(u_star, x, t)
    return value.where(~lost, torch.nan), residual


def _posterior_product(products, path, x, t, u):
    """Return dD/dx times the vectors u, shape (b, k, dim), at points x, shape (b, *shape), and one time t."""
    vectors = u.reshape(-1, *x.shape[1:])
    found = products(x, t, vectors)
    return path.mean_from_velocity(found, vectors, t).reshape(u.shape)


def summarise(table):
    """Return the summary rows of the table of `measure`, by field, states and kind (centre or noise).

    eigenvalue per t: of the trajectory from the centre the number itself, which no sampling enters; over noises the
    median with limits by order statistics, as eigenvalues between two examples have no bound. breaking_time, the first
    t at which alpha times the eigenvalue passes 1: from the centre interpolated, with the two times asked that hold it
    as its limits (interval "grid"); over noises the median, with limits by order statistics. Where there is no value,
    `note` says why.
    """
    rows = []
    for (*keys, t), part in table.groupby([*KEYS, "t"], sort=True):
        named = dict(zip(KEYS, keys, strict=True)) | {"t": t}
        rows.append(row(NAME, "eigenvalue", float(part["eigenvalue"].iloc[0]), n=1, **named)
                    if named["kind"] == "centre" else
                    summary_row(NAME, "eigenvalue", part["eigenvalue"], interval="median", **named))
    for keys, part in table.groupby(KEYS, sort=True):
        rows.append(_breaking(part, dict(zip(KEYS, keys, strict=True))))
    return pd.DataFrame(rows)


def _breaking(part, named):
    """Return the row breaking_time of one kind of trajectories; a trajectory that never breaks counts as later."""
    times = np.sort(part["t"].unique())
    curves = part.pivot(index="t", columns="start", values="alpha_eigenvalue").loc[times].to_numpy().T
    broken = np.array([crossing_time(times, curve, 1.0) for curve in curves])
    if named["kind"] == "centre":
        later = times[times >= broken[0]] if broken[0] == broken[0] else []
        earlier = times[times < broken[0]]
        found = (broken[0], earlier[-1] if len(earlier) else 0.0, later[0]) if len(later) else (np.nan,) * 3
        kind = "grid"
    else:
        found, kind = median_interval(np.where(np.isnan(broken), np.inf, broken)), "median"
        found = tuple(float(end) if np.isfinite(end) else np.nan for end in found)
    never = f"{np.isnan(broken).sum()} of {len(broken)} trajectories do not break by t = {times[-1]:g}"
    note = {} if found[0] == found[0] else {"note": never}
    return row(NAME, "breaking_time", found, n=len(broken), interval=kind, **named, **note)

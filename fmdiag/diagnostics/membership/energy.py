"""Kinetic energy of trajectories: how much a sample's path accelerates, and whether it ends in a spike.

    E = ½ ∫_0^1 ||v(x_t, t)||² dt / d,      terminal share = (the part of E from t = 0.9 on) / E

along the trajectories of the model and of û*, from the same noises; both of the polygon through the solver's states. On
the linear path with one training row the velocity is constant and the share is 0.1. Late velocities that are larger
than early ones, as û* has where it commits to a row late, raise it; a terminal spike like that of û* signals
memorisation.

References
----------
arXiv 2602.07928 (kinetic path energy of flow matching samples).
"""

import numpy as np
import pandas as pd
import torch

from fmdiag.diagnostics.membership.measure import NAME
from fmdiag.diagnostics.points.measurable import diverged, noted, say_left_out
from fmdiag.fields import ClosedFormField, as_field
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import draw_noise, path_energy, trajectory
from fmdiag.stats import summary_row

TERMINAL = 0.9


def measure(field, training_set, *, n_samples=256, n_steps=100, method="euler", path=None, memory=None, device="cpu",
            group=SINGLE, generator):
    """Return the kinetic energy of samples' paths, a row per noise and source.

    Parameters
    ----------
    field : callable
        v(x, t) of the network.
    training_set : TrainingSet
        The rows of û*.
    n_samples, n_steps, method
        Noises and solver, as in `fmdiag.hybrid`; û* takes its own step on the same grid.
    path, memory, device, group, generator
        As in `fmdiag.alignment`.

    Returns
    -------
    DataFrame
        Columns source (model, closed_form), sample, energy (per coordinate, in squared units of model range),
        terminal_share (of the energy, from t = 0.9 on; NaN where there is none).
    """
    field = as_field(field)
    noise = draw_noise(n_samples, training_set.shape, generator=generator)
    u_star = ClosedFormField(training_set, path, memory=memory, device=device)
    parts = group.spread(torch.arange(n_samples), lambda mine: pd.concat(
        [_rows(source, v, training_set, noise[mine], mine, n_steps, method) for source, v in (("model", field),
                                                                                ("closed_form", u_star))]))
    table = pd.concat(parts).sort_values(["source", "sample"], ascending=[False, True], ignore_index=True)
    lost = table.loc[table["energy"].isna(), "sample"].unique()
    remark = say_left_out(np.isin(np.arange(n_samples), lost), "trajectories")
    return noted(table[~table["sample"].isin(lost)].reset_index(drop=True), remark)


def _rows(source, field, training_set, noise, numbers, n_steps, method):
    grid, states = trajectory(field, noise, n_steps, method, times=[TERMINAL])
    steps = path_energy(grid, states)
    energy = torch.where(diverged(states[-1], training_set).cpu(), torch.nan, steps.sum(0))
    late = steps[[k for k, t in enumerate(grid[:-1]) if t > TERMINAL - 1e-9]].sum(0)
    return pd.DataFrame({"source": source, "sample": numbers.numpy(), "energy": energy.numpy(),
                         "terminal_share": (late / energy).numpy()})


def summarise(table):
    """Return the summary rows: mean energy and terminal_share per source, and energy_ratio of model to û*, paired."""
    rows = [summary_row(NAME, name, group[name], source=source)
            for source, group in table.groupby("source", sort=False) for name in ("energy", "terminal_share")]
    wide = table.pivot(index="sample", columns="source", values="energy")
    optimum = wide["closed_form"].where(wide["closed_form"] > 0)
    rows.append(summary_row(NAME, "energy_ratio", wide["model"] / optimum, source="model"))
    return pd.DataFrame(rows)

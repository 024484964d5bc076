"""Hybrid trajectories: û* until tau, the model afterwards; from some tau on only a training point is reached.

The hybrid model follows û* on [0, tau] and the network on [tau, 1], from one fixed batch of noises for every tau. At
tau = 0 it is the network, at tau = 1 it returns training points. The distance of its samples to the training set falls
with tau: where it has fallen, the network could no longer generalise (Bertrand et al., arXiv 2506.03719, figure 3:
creative up to tau = 0.2, not able to generalise from tau = 0.3 on). A network that memorises has distances near 0 at
every tau.
"""

import numpy as np
import pandas as pd
import torch

from fmdiag import stats
from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.points.measurable import diverged, noted, say_left_out
from fmdiag.diagnostics.points.nearest_rows import nearest_rows
from fmdiag.diagnostics.points.pictures import as_pictures
from fmdiag.errors import FmdiagError
from fmdiag.features import as_features
from fmdiag.fields import ClosedFormField, as_field, beside
from fmdiag.neighbors import EXACT
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import closed_form_states, draw_noise, integrate, nearest_time, seeded, time_grid

NAME = "hybrid"
TAUS = [round(0.1 * k, 1) for k in range(11)]
THRESHOLD = 1 / 3


@by_card
def measure(field, training_set, *, taus=None, n_samples=256, n_steps=100, method="euler", path=None, feature="pixels",
            plan=EXACT, memory=None, device="cpu", progress=iter, group=SINGLE, generator=None, seed=0):
    """Return the distances of hybrid samples to the training set, a row per noise and tau.

    Parameters
    ----------
    field : callable
        v(x, t) of the network.
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that the network was trained on, flips included.
    taus : sequence of float, optional
        Times in [0, 1] at which û* hands over; default 0, 0.1, ..., 1, and 0 and 1 for a sampler of noise only.
    n_samples : int
        Number of noises, the same for every tau.
    n_steps, method
        Solver of the network's part, as in `fmdiag.sample`; û* takes the same uniform grid, with every tau in it.
    path, memory, device, progress, group, generator, seed
        As in `fmdiag.alignment`.
    feature, plan
        As in `fmdiag.memorization`.

    Returns
    -------
    DataFrame
        Columns tau, sample, nearest (training row), distance (Euclidean, model range), d2 (to the nearest row that is
        no duplicate of it), ratio, memorized (ratio < 1/3), feature; recalled as in `fmdiag.memorization`.

    Raises
    ------
    FmdiagError
        If a tau is outside [0, 1], the method or feature is unknown, n_samples or n_steps is less than 1, or the
        field's values are not finite.

    References
    ----------
    Bertrand et al., arXiv 2506.03719, figure 3.

    Examples
    --------
    >>> import fmdiag
    >>> table = fmdiag.hybrid(lambda x, t: -x, fmdiag.load_dataset("digits"), taus=[0.0, 1.0], n_samples=4)
    >>> table.groupby("tau").memorized.mean().to_dict()
    {0.0: 0.0, 1.0: 1.0}
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    features = as_features(feature, training_set, device)
    samples = sample_hybrids(field, training_set, taus=taus, n_samples=n_samples, n_steps=n_steps, method=method,
                             path=path, memory=memory, device=device, progress=progress, group=group,
                             generator=generator)
    return tabulate(samples, training_set, feature=features, plan=plan, device=device, group=group)


def sample_hybrids(field, training_set, *, taus=None, n_samples=256, n_steps=100, method="euler", path=None,
                   memory=None, device="cpu", progress=iter, keep=None, group=SINGLE, generator):
    """Return {tau: samples, shape (n_samples, *shape)}: one û* trajectory, branched into the network at every tau.

    Each rank of the group carries its share of the noises all the way, û* included. ``keep(name, compute)`` returns the
    tensor that compute() makes, or one that it kept of the same call before.
    """
    (field,), n_steps = beside(n_steps, as_field(field))
    keep = keep or (lambda name, compute: compute())
    usual = [0.0, 1.0] if getattr(field, "from_noise_only", False) else TAUS
    taus = sorted({float(tau) for tau in (usual if taus is None else taus)})
    if not taus or not all(0 <= tau <= 1 for tau in taus):
        raise FmdiagError(f"tau must be in [0, 1], got {taus}")
    x0 = draw_noise(n_samples, training_set.shape, generator=generator)
    grid = time_grid(n_steps, taus)
    snapped = {tau: nearest_time(grid, tau) for tau in taus}
    u_star = ClosedFormField(training_set, path, memory=memory, device=device)

    def branch(noise):
        times = sorted(set(snapped.values()))
        states = keep("û*", lambda: _stacked(closed_form_states(u_star, noise, grid, times), times, noise))
        samples = {}
        for tau in progress(taus):
            start, rest = states[times.index(snapped[tau])], [t for t in grid if t >= snapped[tau]]
            samples[tau] = keep(tau, lambda start=start, rest=rest: integrate(field, start, rest, method))
        return samples

    parts = group.spread(x0, branch)
    return {tau: torch.cat([part[tau] for part in parts]) for tau in taus}


def _stacked(states, times, noise):
    return torch.stack([states[t].to(noise.dtype) for t in times])


def tabulate(samples, training_set, *, feature="pixels", plan=EXACT, device="cpu", group=SINGLE):
    """Return the table of `measure` for {tau: samples}."""
    features = as_features(feature, training_set, device)
    remark = say_left_out(torch.cat([diverged(x, training_set).cpu() for x in samples.values()]), "samples")
    tables = [_tabulate(samples, training_set, one, plan, device, group) for one in features]
    return noted(pd.concat(tables, ignore_index=True), remark)


def _tabulate(samples, training_set, feature, plan, device, group):
    everything = torch.cat([x.cpu() for x in samples.values()])
    kept = ~diverged(everything, training_set).numpy()
    found = nearest_rows(everything[torch.from_numpy(kept)], training_set, feature=feature, device=device, group=group,
                         plan=plan)
    n = len(next(iter(samples.values())))
    return pd.DataFrame({
        "tau": np.repeat(list(samples), n)[kept],
        "sample": np.tile(np.arange(n), len(samples))[kept],
        "nearest": found.rows1,
        "distance": found.d1,
        "d2": found.d2,
        "ratio": found.ratio,
        "memorized": found.ratio < THRESHOLD,
        "feature": feature.name,
        **({} if found.recalled is None else {"recalled": found.recalled}),
    })


def pictures(samples, table, training_set, n_shown=8, decoder=None):
    """Return the arrays that the strips show: the first noises' samples per tau beside their nearest training rows.

    Nearest in the first feature of the table. `decoder` turns latents into pictures for them; see
    `fmdiag.diagnostics.points.pictures`.
    """
    table = table[table["feature"] == table["feature"].iloc[0]]
    rows = table.pivot(index="sample", columns="tau", values="nearest").dropna().head(n_shown)
    nearest = {tau: training_set[rows[tau].to_numpy(np.int64)] for tau in samples}
    shown = torch.stack([x[rows.index.tolist()].cpu() for x in samples.values()])
    rows = torch.stack([nearest[tau] for tau in samples])
    images, neighbours = (as_pictures(points, training_set, decoder) for points in (shown, rows))
    arrays = {"taus": list(samples)}
    if images is not None:
        return arrays | {"images": images, "nearest": neighbours}
    return arrays | {"points": shown.numpy(), "nearest": rows.numpy()}


def summarise(table):
    """Return the summary rows: mean distance (Student) and memorised fraction (exact interval) per tau."""
    by = ["tau", "feature"]
    distances = stats.summarise(NAME, table, ["distance"], by=by)
    shares = stats.summarise(NAME, table, ["memorized"], by=by, interval="exact")
    tables = [distances, shares]
    if "recalled" in table:
        checked = table.dropna(subset="recalled")
        tables.append(pd.DataFrame([stats.summary_row(NAME, "recall", part["recalled"] == 1, interval="exact",
                                                        feature=name) for name, part in checked.groupby("feature")]))
    return pd.concat(tables, ignore_index=True)

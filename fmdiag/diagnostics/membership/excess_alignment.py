"""Excess alignment: whether the field has learnt these points, or the distribution that they came from.

    excess(x_t) = cos(u_theta(x_t, t), û*_train(x_t, t)) - cos(u_theta(x_t, t), û*_held-out(x_t, t))

û* of the training set and of as many held-out rows, averaged over points x_t on the paths of both sets' images, half
of each, from the same noises. Exchanging the two sets changes its sign: a field that was made without knowledge of
which rows were trained on has mean 0. Positive: it learnt *these* points.

At early times both û* are averages over whole sets, so that points share the sets' accidents and are not independent.
The interval is therefore a jackknife that leaves out a part of the pairs of rows together: as points, and as rows of
both û*. û* of the rest comes from the parts' own posteriors, which add up.

References
----------
Bertrand et al., arXiv 2506.03719 (û*). Tukey 1958; Miller 1974, "The jackknife: a review", Biometrika 61.
"""


import numpy as np
import pandas as pd
import torch

from fmdiag.diagnostics.error.measure import evaluate, reachable_times
from fmdiag.diagnostics.membership.examples import draw_members
from fmdiag.diagnostics.membership.measure import NAME, TIMES
from fmdiag.diagnostics.points.pairs import check_times, cosine
from fmdiag.fields import ClosedFormField, as_field
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import draw_noise
from fmdiag.stats import from_left_out, row

PARTS = 20
MOST_ROWS = 4096


def measure(field, training_set, *, held_out=None, times=None, n_images=256, n_noises=4, path=None, memory=None,
            device="cpu", progress=iter, group=SINGLE, generator):
    """Return the excess alignment with its jackknife values, a row per time and part left out.

    Parameters
    ----------
    field, training_set, held_out, times, n_images, n_noises, path, memory, device, progress, group, generator
        As in `fmdiag.membership`. û* is of at most 4096 rows of either set.

    Returns
    -------
    DataFrame
        Columns t, part, n_rows (of either û*), n_images (of each kind), excess (of all pairs; the same for every part)
        and excess_without (without the pairs of the part, as points and as rows).

    Examples
    --------
    >>> import fmdiag, torch
    >>> train = fmdiag.load_dataset("digits", n=20)
    >>> table = measure(fmdiag.ClosedFormField(train), train, times=[0.7], n_noises=2,
    ...                 generator=torch.Generator().manual_seed(0))
    >>> bool(summarise(table).low.min() > 0.1)
    True
    """
    field = as_field(field)
    times = reachable_times(field, check_times(TIMES if times is None else times))
    members = draw_members(training_set, held_out, n_images=n_images, n_rows=MOST_ROWS, generator=generator)
    m, n_parts = len(members.train), min(PARTS, len(members.train))
    noise = draw_noise(m * n_noises, training_set.shape, generator=generator)
    label = np.arange(members.own_set.n_stored) % n_parts
    fields = [[ClosedFormField(_rows(rows, label == g), path, memory=memory, device=device) for g in range(n_parts)]
              for rows in (members.own_set, members.other_set)]
    found = group.spread(torch.arange(m), lambda pairs: np.stack(
        [_excess(field, fields, members, noise.unflatten(0, (m, n_noises)), t, pairs) for t in progress(times)]))
    values = np.concatenate(found, axis=1)   # (times, pairs, 1 + parts)
    return _table(times, values, label[:m], members.own_set.n_stored)


def _rows(rows, chosen):
    return rows.chosen(np.flatnonzero(chosen))


def _excess(field, fields, members, noise, t, pairs):
    """Return the excess of each pair, mean over noises and both images, for all parts and with each left out."""
    seen, k = torch.tensor(t, dtype=torch.float32).double().item(), noise.shape[1]
    path, total = fields[0][0].path, 0.0
    for images in (members.train, members.held_out):
        x0, x1 = noise[pairs].flatten(0, 1).double(), images[pairs].repeat_interleave(k, 0).double()
        xt = path.sample(x0, x1, seen)
        velocity = evaluate(field, xt.float(), seen).double()
        own, other = (_cosines(parts, xt, seen, velocity) for parts in fields)
        total = total + (own - other).reshape(len(pairs), k, -1).mean(1) / 2
    return total.numpy()


def _cosines(parts, xt, t, velocity):
    """Return the cosines of `velocity` with û* of all parts, and of all but each: shape (b, 1 + parts)."""
    found = [part.posterior(xt, t) for part in parts]
    # All have the same constant of the Gaussian in their log density, which cancels.
    logs = torch.stack([f.log_density.cpu() + np.log(p.training_set.n) for f, p in zip(found, parts, strict=True)])
    means = torch.stack([f.mean.cpu() for f in found])
    # A row of weights per part left out, after that of all.
    left_out = torch.cat([torch.zeros(1, len(parts)), torch.eye(len(parts))]).bool()
    weights = torch.softmax(logs.expand(len(left_out), -1, -1).masked_fill(left_out[..., None], -torch.inf), 1)
    mixed = torch.einsum("lgb,gbd->lbd", weights, means.flatten(2)).reshape(-1, *xt.shape)
    return torch.stack([cosine(velocity, parts[0].path.velocity_from_mean(mean, xt, t)) for mean in mixed], 1)


def _table(times, values, label, n_rows):
    rows = []
    for t, excess in zip(times, values, strict=True):
        for part in range(excess.shape[1] - 1):
            rows.append({"t": t, "part": part, "n_rows": n_rows, "n_images": len(label), "excess": excess[:, 0].mean(),
                         "excess_without": excess[label != part, 1 + part].mean()})
    return pd.DataFrame(rows)


def summarise(table):
    """Return the summary rows: excess_alignment per t and excess_alignment_overall, over all times.

    The jackknife's intervals, corrected for the bias of small sets; excess_p, the one-sided p-value of the overall
    excess, not corrected for other tests.
    """
    wide = {name: table.pivot(index="part", columns="t", values=name) for name in ("excess", "excess_without")}
    facts = {"n": int(table["n_images"].iloc[0]), "interval": "jackknife"}
    left_out = wide["excess_without"]
    per_t = from_left_out(wide["excess"].iloc[0].to_numpy(), [left_out.to_numpy()]).interval(corrected=True)
    rows = [row(NAME, "excess_alignment", found, t=t, **facts)
            for t, found in zip(left_out, zip(*per_t, strict=True), strict=True)]
    whole = from_left_out(wide["excess"].iloc[0].mean(), [left_out.mean(axis=1)])
    rows.append(row(NAME, "excess_alignment_overall", whole.interval(corrected=True), **facts))
    rows.append(row(NAME, "excess_p", whole.larger_p(), **facts | {"interval": "jackknife t"}))
    return pd.DataFrame(rows)

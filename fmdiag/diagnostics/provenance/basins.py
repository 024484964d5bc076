"""Basins of training rows: the initial noise from which each is reached, under û* and under the model.

û* sends every noise to a training row: the rows' *basins* share the noise out. The model's sample from the same noise
has a nearest row too. Compared are which row each noise leads to, and how much noise each row receives:

    divergence = 1 - 2 sum_i p_i q_i / (sum_i p_i² + sum_i q_i²)

of the basin masses p (û*) and q (model), 0 if they are equal and 1 if no row has both. Every product is estimated
without bias, from pairs of different noises, so that few noises per row do not make it large.

The same row is no evidence by itself: noise and sample resemble each other under any field of the distribution, so that
the optimal field of the whole distribution leads a third to two thirds of the noises to the row that û* leads them to.
The reference is held-out rows: of as many training and held-out rows, û* of either kind and the row of that kind
nearest to the model's sample are compared. Rows of one set share its accidents, so that this is done in five parts of
disjoint rows and noises, whose differences are independent and have Student's interval.

Memorisation: the same row more often among training rows than among held-out rows. Equal masses with other rows show
the rows' distribution, not the field.

References
----------
Morisita 1959, "Measuring of interspecific association and similarity between communities" (the unbiased overlap).
"""

import numpy as np
import pandas as pd
import torch

from fmdiag.diagnostics.membership.examples import equal_sets
from fmdiag.diagnostics.points.measurable import measurable
from fmdiag.diagnostics.points.nearest_rows import nearest_rows
from fmdiag.diagnostics.provenance.measure import NAME
from fmdiag.fields import ClosedFormField, as_field
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import closed_form_samples, draw_noise, sample
from fmdiag.stats import from_left_out, proportion_interval, row, summary_row

PARTS = 5


def measure(field, training_set, *, samples=None, n_samples=1024, n_steps=100, method="euler", path=None, memory=None,
            device="cpu", group=SINGLE, generator):
    """Return the nearest rows of samples of the model and of û* from the same noises, a row per noise.

    Parameters
    ----------
    field : callable
        v(x, t) of the network.
    training_set : TrainingSet
        The rows that it was trained on.
    samples : Tensor, shape (n_samples, *shape), optional
        The model's samples from the noises that this generator draws, where they are known already.
    n_samples, n_steps, method
        Noises and solver.
    path, memory, device, group, generator
        As in `fmdiag.alignment`.

    Returns
    -------
    DataFrame
        Columns sample, row_closed_form, row_model (of copies the first), d1_model (Euclidean distance of the model's
        sample to that row), ratio_model (d1/d2). Where there are held-out rows also part (of rows and noises) and, of
        the equally many training and held-out rows of the part, same_train and same_heldout: whether the model's
        sample is nearest to the row that û* of these leads to.
    """
    noise = draw_noise(n_samples if samples is None else len(samples), training_set.shape, generator=generator)
    u_star = ClosedFormField(training_set, path, memory=memory, device=device)
    if samples is None:
        field = as_field(field)
        samples = torch.cat(group.spread(noise, lambda mine: sample(field, mine, n_steps, method)))
    numbers, samples, _ = measurable(samples, training_set)
    noise = noise[numbers]
    around = {"n_steps": n_steps, "device": device, "group": group}
    model, closed = _both(samples, noise, u_star, **around)
    table = pd.DataFrame({"sample": numbers, "row_closed_form": closed.rows1, "row_model": model.rows1,
                          "d1_model": model.d1, "ratio_model": model.ratio})
    sets = equal_sets(training_set)
    return table if sets is None else table.assign(**_reference(samples, noise, sets, around | {
        "path": path, "memory": memory}))


def _reference(samples, noise, sets, around):
    """Return the columns part, same_train and same_heldout."""
    n_parts = min(PARTS, sets[0].n_stored // 2, len(samples))
    part = np.arange(len(samples)) % n_parts
    columns = {"part": part, **{f"same_{kind}": np.zeros(len(samples), bool) for kind in ("train", "heldout")}}
    for kind, rows in zip(("train", "heldout"), sets, strict=True):
        for k in range(n_parts):
            own = rows.chosen(np.arange(k, rows.n_stored, n_parts))
            u_star = ClosedFormField(own, around["path"], memory=around["memory"], device=around["device"])
            chosen = torch.from_numpy(part == k)
            found, ends = _both(samples[chosen], noise[chosen], u_star,
                                **{name: around[name] for name in ("n_steps", "device", "group")})
            columns[f"same_{kind}"][part == k] = found.rows1 == ends.rows1
    return columns


def _both(samples, noise, u_star, *, n_steps, device, group):
    """Return the nearest rows of û* of samples, and of what û* makes of their noises."""
    ends = torch.cat(group.spread(noise, lambda mine: closed_form_samples(u_star, mine, n_steps)))
    return [nearest_rows(x, u_star.training_set, device=device, group=group) for x in (samples, ends)]


def masses(table, *, level=0.95):
    """Return the basin masses, a row per training row that was reached, most under the model first.

    Returns
    -------
    DataFrame
        Columns row; closed_form, model (shares of the noises), each with _low and _high (exact interval).
    """
    n = len(table)
    counts = {name: table[f"row_{name}"].value_counts() for name in ("closed_form", "model")}
    rows = sorted(set(counts["closed_form"].index) | set(counts["model"].index))
    found = pd.DataFrame({"row": rows})
    for name, values in counts.items():
        shares = [proportion_interval(values.get(row, 0), n, level=level) for row in rows]
        found[[name, f"{name}_low", f"{name}_high"]] = np.array(shares)
    return found.sort_values(["model", "closed_form", "row"], ascending=[False, False, True], ignore_index=True)


def summarise(table):
    """Return the summary rows: same_row (share of noises that lead to one row under both; exact), basin_divergence.

    The divergence has a jackknife interval over noises; it is NaN where no row was reached twice. Beside held-out rows
    also same_row_train and same_row_heldout, of equally many rows of either kind, and same_row_excess, their
    difference, which is 0 for a field that knows nothing of which rows were trained on: means over the parts.
    """
    same = table["row_closed_form"] == table["row_model"]
    rows = [summary_row(NAME, "same_row", same, interval="exact")]
    found = divergence(table["row_closed_form"], table["row_model"])
    rows.append(row(NAME, "basin_divergence", found, n=len(table), interval="jackknife"))
    if "part" in table:
        parts = table.groupby("part")[["same_train", "same_heldout"]].mean()
        rows += [summary_row(NAME, f"same_row_{kind}", parts[f"same_{kind}"], within=(0.0, 1.0))
                 for kind in ("train", "heldout")]
        rows.append(summary_row(NAME, "same_row_excess", parts["same_train"] - parts["same_heldout"]))
    return pd.DataFrame(rows)


def divergence(a, b, *, level=0.95):
    """Return (value, low, high) of the divergence of two labellings of the same units, arrays of shape (n,)."""
    a, b = (np.unique(np.concatenate([a, b]), return_inverse=True)[1].reshape(2, -1))
    size = max(a.max(), b.max()) + 1
    p, q, same = np.bincount(a, minlength=size), np.bincount(b, minlength=size), a == b
    within = (p * (p - 1)).sum() + (q * (q - 1)).sum()
    across = (p * q).sum() - same.sum()
    # Without unit k: the pairs that it is part of are gone.
    within_k = within - 2 * (p[a] - 1) - 2 * (q[b] - 1)
    across_k = across - (q[a] - same) - (p[b] - same)
    if within == 0 or (within_k <= 0).any():
        return (np.nan if within == 0 else 1 - 2 * across / within), np.nan, np.nan
    value = 1 - 2 * across / within
    _, low, high = from_left_out(value, [1 - 2 * across_k / within_k]).interval(level, corrected=True)
    return value, min(max(low, 0.0), value), max(min(high, 1.0), value)   # the estimate alone may leave [0, 1]

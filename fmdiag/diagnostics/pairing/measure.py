"""Pairing test on fixed pairs: whether a model returns the partners that it was trained on.

Noises are paired with targets by optimal transport, then the targets are permuted; models are trained on the permuted
pairs with and without noise on the path; each *training* noise is integrated, and its end compared with the permuted
partner (memorised) and with the optimal transport partner. A model that memorises its pairings lands nearer the
permuted one. The exact minimiser over the pairs (`FixedPairsField`) stands beside the networks: what it returns is the
objective's doing, what only the network returns is the network's.

References
----------
Reu, Dromigny, Bronstein, Vargas, arXiv 2510.18118.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from fmdiag import stats
from fmdiag.diagnostics.gradient_variance.couplings import optimal_partners
from fmdiag.diagnostics.pairing.mmd import mmd_change, mmd_paired, mmd_unpaired
from fmdiag.errors import FmdiagError
from fmdiag.fields import FixedPairsField
from fmdiag.sampling import draw_noise, sample

NAME = "pairing"
# Odd, so that no Euler step starts at t = 1/2, where all lines of a half turn meet.
N_STEPS = 51
MOST_MMD = 2000
SOURCES = ("network", "closed_form")


@dataclass(frozen=True)
class FixedPairs:
    """Training pairs and the optimal transport partner of each noise; tensors of shape (n, *shape).

    Parameters
    ----------
    x0, x1 : Tensor
        Noise and the partner that models are trained on.
    ot : Tensor
        The target that optimal transport between the same noises and targets gives each noise.
    kind : str
        ``"permuted"``, ``"crossing"``, ``"given"`` or ``"reflow"``.
    """

    x0: torch.Tensor
    x1: torch.Tensor
    ot: torch.Tensor
    kind: str


def permuted_pairs(training_set, n, *, generator):
    """Return n pairs: rows of the set coupled to noise by optimal transport, then permuted so that none stays."""
    if not 2 <= n <= training_set.n:
        raise FmdiagError(f"n_pairs must be 2 to {training_set.n} for {training_set.name}, got {n}")
    rows = torch.randperm(training_set.n, generator=generator)[:n]
    x0, x1 = draw_noise(n, training_set.shape, generator=generator), training_set[rows.numpy()]
    ot = x1[optimal_partners(x0, x1)]
    # One cycle through all in random order moves every target.
    order = torch.randperm(n, generator=generator)
    permutation = torch.empty(n, dtype=torch.int64)
    permutation[order] = order.roll(1)
    return FixedPairs(x0, ot[permutation], ot, "permuted")


def crossing_pairs(n, dim, *, shift=5.0, generator):
    """Return n pairs of the half turn x1 = shift - x0: every line passes shift / 2 at t = 1/2; OT is x0 + shift."""
    if n < 2 or dim < 1:
        raise FmdiagError(f"the crossing map needs at least 2 pairs of at least 1 dimension, got {n} and {dim}")
    x0 = draw_noise(n, (dim,), generator=generator)
    x1 = shift - x0
    return FixedPairs(x0, x1, x1[optimal_partners(x0, x1)], "crossing")


def given_pairs(x0, x1, kind="given"):
    """Return pairs as they are, with the optimal transport partners among their own targets."""
    return FixedPairs(x0, x1, x1[optimal_partners(x0, x1)], kind)


def integrate_noises(fields, pairs, *, closed_form=True, noise="constant", n_steps=N_STEPS):
    """Return {(source, sigma): where each training noise ends, shape (n, *shape)}.

    Parameters
    ----------
    fields : dict of float to callable
        Noise on the path -> field trained with it.
    pairs : FixedPairs
    closed_form : bool
        Whether the exact minimiser of each noise is integrated too.
    """
    ends = {("network", sigma): sample(field, pairs.x0, n_steps) for sigma, field in fields.items()}
    if closed_form:
        ends |= {("closed_form", sigma): sample(FixedPairsField(pairs.x0, pairs.x1, sigma, noise), pairs.x0, n_steps)
                 for sigma in fields}
    return ends


def measure(ends, pairs):
    """Return the distances of each end to both partners, a row per source, noise and pair.

    Returns
    -------
    DataFrame
        Columns kind, source (network, closed_form), sigma, sample; to_memorised and to_ot (Euclidean, model range),
        between (the distance between the partners), nearer_memorised.
    """
    def distance(a, b):
        return (a.double() - b.double()).flatten(1).norm(dim=1).numpy()

    parts = []
    for (source, sigma), x in ends.items():
        near, far = distance(x, pairs.x1), distance(x, pairs.ot)
        parts.append(pd.DataFrame({"kind": pairs.kind, "source": source, "sigma": float(sigma),
                                   "sample": np.arange(len(x)), "to_memorised": near, "to_ot": far,
                                   "between": distance(pairs.x1, pairs.ot), "nearer_memorised": near < far}))
    table = pd.concat(parts, ignore_index=True)
    return table[np.isfinite(table["to_memorised"]) & np.isfinite(table["to_ot"])].reset_index(drop=True)


def summarise(table):
    """Return summary rows: mean distances; where partners differ, their mean difference and the share nearer.

    memorised_minus_ot is the mean of to_memorised - to_ot over the same ends: below 0 they lie nearer the former.
    """
    by = ["source", "sigma"]
    means = stats.summarise(NAME, table, ["to_memorised", "to_ot"], by=by)
    differ = table[table["between"] > 0]
    if differ.empty:
        return means
    shares = stats.summarise(NAME, differ, ["nearer_memorised"], by=by, interval="exact")
    differ = differ.assign(memorised_minus_ot=differ["to_memorised"] - differ["to_ot"])
    gaps = stats.summarise(NAME, differ, ["memorised_minus_ot"], by=by)
    return pd.concat([means, gaps, shares], ignore_index=True)


def discrepancies(ends, pairs, law=None, *, level=0.95):
    """Return summary rows of MMD^2 for vectors.

    Parameters
    ----------
    law : Tensor, shape (m, *shape), optional
        Fresh rows of the distribution that the targets are from.

    Returns
    -------
    DataFrame
        Quantities mmd_law (ends against fresh rows; source "targets": the memorised targets themselves, what a perfect
        copy would have), mmd_law_change (minus that of the same field at the first noise), mmd_pairs and mmd_ot ((x0,
        end) against (x0, memorised) and (x0, OT partner), jointly).
    """
    def row(quantity, source, sigma, found, n):
        return stats.row(NAME, quantity, found, source=source, sigma=sigma, level=level, n=n, interval="jackknife")

    chosen = slice(0, MOST_MMD)
    x0, memorised, ot = (part[chosen].flatten(1) for part in (pairs.x0, pairs.x1, pairs.ot))
    rows, n = [], len(x0)
    if law is not None:
        law = law[chosen].flatten(1)
        rows.append(row("mmd_law", "targets", np.nan, mmd_unpaired(memorised, law, level=level), n))
    for (source, sigma), x in ends.items():
        x = x[chosen].flatten(1)
        joint = torch.cat([x0, x], 1)
        if law is not None:
            rows.append(row("mmd_law", source, sigma, mmd_unpaired(x, law, level=level), n))
            first = next(end for (other, _), end in ends.items() if other == source)[chosen].flatten(1)
            if not torch.equal(first, x):
                rows.append(row("mmd_law_change", source, sigma, mmd_change(x, first, law, level=level), n))
        for quantity, partner in (("mmd_pairs", memorised), ("mmd_ot", ot)):
            rows.append(row(quantity, source, sigma, mmd_paired(joint, torch.cat([x0, partner], 1), level=level), n))
    return pd.DataFrame(rows)


def verdict(summary):
    """Return one sentence: where the networks' ends lie, by noise on the path; none where the two cannot be told apart.

    Decided by the interval of the paired difference: a tie, or partners that are the same, is no verdict.
    """
    parts = []
    rows = summary[summary["source"] == "network"]
    for sigma, group in rows.groupby("sigma"):
        found = {row["quantity"]: row for row in group.to_dict("records")}
        memorised, ot, gap = (found.get(name) for name in ("to_memorised", "to_ot", "memorised_minus_ot"))
        if memorised is None or ot is None:
            continue
        parts.append(f"trained at σ = {sigma:g}, {_nearer(gap)} (distance to memorised {_number(memorised)}, to "
                     f"optimal transport {_number(ot)})")
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."


def _nearer(gap):
    if gap is None:
        return "no verdict: every pair's memorised partner is its optimal transport partner"
    if gap["low"] <= 0 <= gap["high"] or not np.isfinite([gap["low"], gap["high"]]).all():
        return "no verdict: the network's ends lie as near to either partner, as far as these pairs can tell"
    return f"the network's ends lie nearer the {'memorised' if gap['value'] < 0 else 'optimal transport'} partner"


def _number(row):
    return f"{row['value']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"

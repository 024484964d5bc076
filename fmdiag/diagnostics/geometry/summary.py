"""Summary of the geometry of a field: dimensions per source, training examples against held-out ones with a test.

Members of a pair, a training and a held-out example, could be exchanged if the field did not know which of them it was
trained on: the differences of their dimensions then could as well have the other sign. Band and p-value come from
random signs, all times of a pair flipped together (`fmdiag.stats.exchange`). That samples have a lower dimension than
held-out examples is no evidence of copying by itself, as blurred ones have it too; û* at the same points says what a
copy would look like.

A coordinate is *flat* at a point if D follows it less than at 95 % of the held-out examples: fewer than k of m held-out
values are no larger than its own, k = .05 (m + 1) rounded down. Of a point that could be exchanged with the held-out
ones that happens with probability k / (m + 1) at most, at each coordinate.
"""

import numpy as np
import pandas as pd

from fmdiag import stats
from fmdiag.stats import flip_differences, mean_interval, row, welch

NAME = "geometry"
FLAT = 0.05
LIDS = ("lid", "lid_closed_form", "lid_heldout_form")


def flat_shares(maps, held_out, kept):
    """Return the share of flat coordinates, shape (N, times); NaN where held-out points are too few to judge.

    Parameters
    ----------
    maps : ndarray, shape (N, times, dim)
        Diagonals of dD.
    held_out, kept : ndarray of bool, shape (N,)
        Which points are held-out examples, and which ones count.
    """
    shares = np.full(maps.shape[:2], np.nan)
    others = np.sort(maps[held_out & kept], axis=0)
    m = len(others)
    for point in np.flatnonzero(kept) if FLAT * m >= 1 else ():
        own = bool(held_out[point])             # one of them: its own value is no larger than itself
        k = int(FLAT * (m + 1 - own) + 1e-9)
        shares[point] = (others[k - 1 + own] > maps[point]).mean(-1)
    return shares


def summarise(table):
    """Return the summary rows.

    Per source and t: lid, lid_closed_form and lid_heldout_form (medians with limits by order statistics: those of û*
    have no bound) and flat_share (mean, Gaffke's limits). With held-out examples, per t: lid_difference, the mean of
    training minus held-out within pairs ("simultaneous", for all times together), and samples_difference, the mean of
    samples minus held-out (Welch, of one time); and lid_p, the one-sided p-value of "lower at training examples at some
    time".
    """
    known, by = [name for name in LIDS if table[name].notna().any()], ["source", "t"]
    rows = stats.summarise(NAME, table, known, by=by, interval="median").to_dict("records")
    if table["flat_share"].notna().any():
        shares = stats.summarise(NAME, table, ["flat_share"], by=by, within={"flat_share": (0.0, 1.0)})
        rows += shares.to_dict("records")
    differences = paired(table)
    if len(differences) > 1:
        found = flip_differences(-differences.to_numpy())
        means, low, high = found.band()
        rows += [row(NAME, "lid_difference", (-float(means[k]), -float(high[k]), -float(low[k])), t=t,
                     n=len(differences), interval="simultaneous") for k, t in enumerate(differences)]
        rows.append(row(NAME, "lid_p", found.any_larger_p(), n=len(differences), interval="exchange"))
    rows += _of_samples(table)
    return pd.DataFrame(rows)


def paired(table):
    """Return the dimension at training minus at held-out examples, pairs x times, of the pairs that are whole."""
    if not {"train", "heldout"} <= set(table["source"]):
        return pd.DataFrame()
    wide = table[table["source"] != "model"].pivot(index="pair", columns=["source", "t"], values="lid").dropna()
    return wide["train"] - wide["heldout"]


def _of_samples(table):
    if not {"model", "heldout"} <= set(table["source"]):
        return []
    rows = []
    for t, part in table.groupby("t"):
        held_out, own = (part.loc[part["source"] == source, "lid"].to_numpy() for source in ("heldout", "model"))
        if min(len(held_out), len(own)) > 1:
            found = welch((*mean_interval(held_out), len(held_out)), (*mean_interval(own), len(own)))
            rows.append(row(NAME, "samples_difference", tuple(map(float, found)), t=t, n=len(own) + len(held_out),
                            interval="welch"))
    return rows


def reading(summary):
    """Return what the summary says, in sentences; each claim is that of its test."""
    of = {quantity: part for quantity, part in summary.groupby("quantity")}
    if "lid_p" not in of:
        return ("There are no held-out examples to compare with: a low dimension says nothing of memorisation by "
                "itself.")
    p, band = float(of["lid_p"]["value"].iloc[0]), of["lid_difference"].sort_values("t")
    below, lowest = band[band["high"] < 0], band.iloc[int(band["value"].to_numpy().argmin())]
    where = (f"the band for all times lies below 0 at {len(below)} of {len(band)} times" if len(below) else
             "the band for all times holds 0 at each of them")
    found = (f"The dimension is lower at training examples than at held-out ones (p = {p:.2g}): {where}" if p <= 0.05
             else f"The dimension is not shown to be lower at training examples than at held-out ones (p = {p:.2g})")
    text = (f"{found}; the largest difference, at t = {lowest['t']:g}, is {lowest['value']:.3g} [{lowest['low']:.3g}, "
            f"{lowest['high']:.3g}].")
    if "flat_share" in of:
        last = of["flat_share"][of["flat_share"]["t"] == of["flat_share"]["t"].max()].set_index("source")
        names = {"train": "training examples", "model": "samples"}
        text += " Share of coordinates flatter than at 95 % of held-out examples, at t = " + (
            f"{float(last['t'].iloc[0]):g}: " + ", ".join(
                f"{last.loc[source, 'value']:.2g} [{last.loc[source, 'low']:.2g}, {last.loc[source, 'high']:.2g}] of "
                f"{name}" for source, name in names.items() if source in last.index) + ".")
    return text

"""Shells: how far states are from the nearest training row beside training noise, and when trajectories leave the band.

    rho(x_t) = min_i ||x_t - alpha_t X_i|| / (sigma_t sqrt(d))

On training paths the source alone gives ||x0|| / sqrt(d), of mean about 1 - 1/(4 d) and deviation 1/sqrt(2 d); the
minimum lies below where several rows are near. The band of a time is the central 99 % of rho on further training paths,
used for nothing else: between the order statistics r and s of n paths the true share is Beta(s - r, n - s + r + 1)
distributed, whatever the distribution of rho. As t -> 1 rho becomes d1 / (sigma sqrt(d)), d1 the distance from the
nearest row, and leaves any band for every state that ends on no training row, held-out paths included: shares are
reported up to t = UNTIL, and held-out paths stand beside the model's.

References
----------
Song, Kim, Chen, Du, Kakade and Sitzmann 2025, "Selective underfitting in diffusion models", arXiv 2510.01378 (the
region that training noise fills).
"""

import numpy as np
from scipy import stats as distributions

from fmdiag.diagnostics.points.pairs import draw_pairs
from fmdiag.stats import clustered_share, row

NAME = "error"
SHARE = 0.99
UNTIL = 0.9
N_BAND = 2000
ENTRIES = 6e7      # paths times rows: of larger sets fewer paths, no fewer than LEAST_BAND
LEAST_BAND = 1000
HALF = 0.5


def band_size(n):
    """Return how many paths the band of a set of n rows has: 2000, of more than 30 000 rows fewer, at least 1000."""
    return int(min(N_BAND, max(LEAST_BAND, ENTRIES // n)))


def draw_band(u_star, training_set, times, *, n_band=None, generator):
    """Return rho on further training paths at `times`, float64 ndarray of shape (times, n_band)."""
    pairs = draw_pairs(training_set, n_band or band_size(training_set.n), generator=generator)
    return u_star.posterior.shells(pairs.x0, pairs.x1, pairs.rows, times).cpu().numpy()


def band(u_star, training_set, times, *, n_band=None, generator):
    """Return {column: value per time} of the band at `times`: shell_low, shell_high and n_band."""
    shells = draw_band(u_star, training_set, times, n_band=n_band, generator=generator)
    low, high = band_limits(shells)
    return {"shell_low": low, "shell_high": high, "n_band": [shells.shape[1]] * len(times)}


def no_band(times):
    """Return the columns of `band` where none is drawn."""
    return {"shell_low": [np.nan] * len(times), "shell_high": [np.nan] * len(times), "n_band": [0] * len(times)}


def band_ranks(n):
    """Return the ranks (r, s), from 1, of the order statistics of n values that are the ends of the band."""
    tail = int(np.floor((1 - SHARE) / 2 * n))
    return max(1, tail), n + 1 - max(1, tail)


def band_limits(shells):
    """Return (low, high) of the band per time, each of shape (times,), from `draw_band`."""
    r, s = band_ranks(shells.shape[1])
    ordered = np.sort(shells, axis=1)
    return ordered[:, r - 1], ordered[:, s - 1]


def band_content(n, *, level=0.95):
    """Return (share, low, high): what a band of n paths holds of all training paths, in expectation and at `level`.

    Examples
    --------
    >>> [round(float(end), 3) for end in band_content(2000)]
    [0.99, 0.985, 0.994]
    """
    r, s = band_ranks(n)
    held = distributions.beta(s - r, n - s + r + 1)
    return held.mean(), held.ppf((1 - level) / 2), held.ppf((1 + level) / 2)


def inside(table):
    """Return whether each state lies in the band of its time: bool, shape (rows,)."""
    return (table["shell"] >= table["shell_low"]) & (table["shell"] <= table["shell_high"])


def share_rows(table):
    """Return the summary rows of shares inside the band, and of the times at which trajectories leave it, as dicts.

    Per t up to UNTIL and kind: inside, with the exact interval at the effective number of states (those of one source
    row stand together). Per kind: leaves, see `leaving`. Of the band: its ends band_low and band_high per t, and
    band_content, its share of all training paths, with n paths.
    """
    rows, n_band = [], int(table["n_band"].iloc[0])
    if not n_band:
        return rows
    shown = table[table["t"] <= UNTIL].assign(inside=inside(table))
    for (t, kind), part in shown.groupby(["t", "states"], sort=True):
        found = clustered_share(part["inside"].to_numpy(float), _clusters(part))
        rows.append(row(NAME, "inside", found, n=len(part), interval="clustered_exact", t=t, states=kind))
    for kind, part in shown.groupby("states", sort=False):
        rows.append(row(NAME, "leaves", leaving(part), n=part["pair"].nunique(), interval="simultaneous", states=kind))
    ends = table.drop_duplicates("t").sort_values("t")
    rows += [row(NAME, name, value, n=n_band, t=t) for column, name in (("shell_low", "band_low"),
             ("shell_high", "band_high")) for t, value in zip(ends["t"], ends[column], strict=True)]
    return [*rows, row(NAME, "band_content", tuple(map(float, band_content(n_band))), n=n_band, interval="exact")]


def leaving(part, *, level=0.95):
    """Return (time, low, high) at which states of one kind leave the band, NaN where they do not up to the last time.

    The time is the first one measured at which less than half of them lie inside. With exact intervals of the shares
    that hold at all times together (each at level 1 - 0.05 / times), `low` is the first time at which the interval
    reaches below one half, and `high` the first at which all of it lies below: the interval holds the first time at
    which less than half of all trajectories lie inside.

    Parameters
    ----------
    part : DataFrame
        States of one kind, with the column inside.
    """
    found, alone = {}, 1 - (1 - level) / part["t"].nunique()
    for t, group in part.groupby("t", sort=True):
        found[t] = clustered_share(group["inside"].to_numpy(float), _clusters(group), level=alone)
    times = list(found)
    return tuple(_first(times, np.array(list(found.values()))[:, column] < HALF) for column in (0, 1, 2))


def _first(times, below):
    return float(times[int(np.argmax(below))]) if below.any() else float("nan")


def _clusters(part):
    """Return what states share: their source row; trajectories of different noises share nothing."""
    return np.where(part["source_row"] >= 0, part["source_row"], -1 - part["pair"])

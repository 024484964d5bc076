"""Power of the decision on copies, by simulation of the very rule on the measured samples, some replaced by copies.

    exact copies    training examples, each another one
    noisy copies    the same with Gaussian noise of a tenth of the data's standard deviation, measured like samples

In each simulation every sample is a copy with probability `share`; the shares of held-out examples below the
thresholds are drawn anew, binomially at the measured shares. All simulations share the permuted labels of the label
test; those of several feature spaces are independent here.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from fmdiag.diagnostics.memorization.decision import ERROR, label_share, least_excess_p
from fmdiag.diagnostics.memorization.near import NEAR
from fmdiag.stats import proportion_interval
from fmdiag.stats.label_test import Hits, label_p_values

SHARES = (0.01, 0.02, 0.05, 0.1)
N_SIMULATIONS, PERMUTATIONS = 200, 499
COLUMNS = ["alternative", "share", "power", "low", "high", "level", "n"]


def power(spaces, pool, copies, *, rng, shares=SHARES, n_simulations=N_SIMULATIONS):
    """Return the table of the power: columns alternative, share, power, low, high (exact, of the simulation), level, n.

    Parameters
    ----------
    spaces : sequence of Space
        As measured.
    pool : tuple of int or None
        As in `decide`.
    copies : dict
        Name of the alternative -> per space (ratios, near), each of shape (c,): d1/d2 of c copies, and how near they
        come to the training example that they are copies of.
    rng : numpy.random.Generator
    """
    rows = []
    for name, measured in copies.items():
        for share in shares:
            simulated = [_simulated(spaces, pool, measured, share, rng) for _ in range(n_simulations)]
            value, low, high = proportion_interval(_times_found(simulated, pool, rng), n_simulations)
            rows.append({"alternative": name, "share": share, "power": value, "low": low, "high": high, "level": 0.95,
                         "n": n_simulations})
    return pd.DataFrame(rows, columns=COLUMNS)


def _times_found(simulated, pool, rng):
    """Return in how many of the simulated measurements the rule finds copies."""
    n, n_null = len(simulated[0][0].ratios), len(simulated[0][0].null_ratios)
    share = 0.0 if pool is None else label_share(pool, n, n_null)
    found = least_excess_p(simulated) <= ERROR * (1 - share)
    if share and simulated[0][0].hits is not None:
        rest = np.flatnonzero(~found)
        near = [[space.hits for space in simulated[k]] for k in rest]
        found[rest] = [p <= ERROR * share for p in label_p_values(near, *pool, rng, PERMUTATIONS)]
    return int(found.sum())


def _simulated(spaces, pool, measured, share, rng):
    """Return the Spaces with a share of the samples replaced by copies of different training examples."""
    n = len(spaces[0].ratios)
    n_train = pool[0] if pool else n
    replaced = np.flatnonzero(rng.random(n) < share)
    units = rng.choice(n_train, len(replaced), replace=len(replaced) > n_train)
    which = rng.integers(len(measured[0][0]), size=len(replaced))
    return [_with_copies(space, ratios[which], near[which], replaced, units, rng)
            for space, (ratios, near) in zip(spaces, measured, strict=True)]


def _with_copies(space, ratios, near, replaced, units, rng):
    """Return a Space with copies in the place of some samples, and with held-out examples that were drawn anew."""
    n, m = len(space.ratios), len(space.null_ratios)
    all_ratios, clusters = space.ratios.copy(), space.clusters.copy()
    all_ratios[replaced], clusters[replaced] = ratios, -1 - units
    kept = rng.random(len(space.hits.units)) < 1 - len(replaced) / n if space.hits is not None else None
    return replace(space, ratios=all_ratios, clusters=clusters, null_ratios=_redrawn(space, m, rng),
                   hits=None if kept is None else _more_hits(space.hits, kept, units, near))


def _redrawn(space, m, rng):
    """Return m ratios that lie below each tested threshold with the measured share of the held-out examples."""
    limits = sorted(space.thresholds)
    below = np.array([(space.null_ratios < limit).sum() for limit in limits])
    between = np.diff(below, prepend=0, append=m) / m
    return np.array([*limits, 2.0])[rng.choice(len(between), m, p=between)] - 1e-9


def _more_hits(hits, kept, units, near):
    """Return the Hits of the samples that were kept, and of the copies that come near."""
    new, first = np.unique(units[near < NEAR], return_index=True)
    scores = np.concatenate([hits.scores[kept], near[near < NEAR][first]])
    order = np.argsort(scores, kind="stable")
    numbers = np.concatenate([hits.units[kept], 1 + hits.units.max(initial=0) + new])
    trained = np.concatenate([hits.trained[kept], np.ones(len(new), bool)])
    return Hits(numbers[order], trained[order], scores[order])

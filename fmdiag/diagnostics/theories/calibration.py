"""Calibration of patch sizes k(t) by the network: the size whose field points most nearly where the network points.

Per initial noise and time, at a state of the model's own trajectory, the size of the largest cosine between the
theory's velocity and the network's; then the median over initial noises. These are noises of their own: nothing is
evaluated on them afterwards, so that the choice does not flatter the theory.

Kamb and Ganguli choose by the cosine of scores instead of velocities. Both are combinations of the state and of the
posterior mean D (linear path: v = (D - x) / (1 - t), score = (t D - x) / (1 - t)²), with other weights of x.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from fmdiag.diagnostics.error.measure import evaluate
from fmdiag.diagnostics.points.pairs import cosine
from fmdiag.diagnostics.theories.states import own_trajectories
from fmdiag.errors import FmdiagError
from fmdiag.sampling import draw_noise
from fmdiag.stats import quantile_interval

SMALL, N_LARGE = 9, 4
EQUAL = 1e-9   # difference of cosines


@dataclass(frozen=True)
class Schedule:
    """Patch sizes at times, both lists of one length."""

    sizes: list
    times: list

    def at(self, t):
        """Return the size at one of the times."""
        return self.sizes[self.times.index(t)]


def candidates(shape):
    """Return the patch sizes that are tried: 1, 3, ..., 9, a few up to the image's side, one that covers all of it."""
    side = max(shape[-2:])
    large = np.linspace(SMALL, max(side, SMALL), N_LARGE + 1)[1:] // 2 * 2 + 1
    sizes = {*range(1, SMALL + 1, 2), *(int(k) for k in large), 2 * side - 1}
    return sorted(k for k in sizes if k <= 2 * side - 1)


def given_schedule(sizes, times):
    """Return the Schedule of sizes that were given, one for all times or one for each.

    Raises
    ------
    FmdiagError
        If there is another number of them.
    """
    if len(sizes) not in (1, len(times)):
        raise FmdiagError(f"patch sizes: give one, e.g. 7, or one for each of the {len(times)} times, got {len(sizes)}")
    return Schedule(list(sizes) * (len(times) if len(sizes) == 1 else 1), list(times))


def calibrate(field, theories, training_set, times, *, n_noises, n_steps, method, group, generator):
    """Return the raw table: theory, t, noise, patch_size, cosine, a row per theory, time and initial noise.

    Parameters
    ----------
    field : callable
        v(x, t) of the network.
    theories : dict of str to field
        Those that have patch sizes.
    training_set : TrainingSet
    times : sequence of float
    n_noises : int
        Initial noises.
    n_steps, method, group, generator
        As in `fmdiag.theories`.
    """
    noise = draw_noise(n_noises, training_set.shape, generator=generator)
    sizes = candidates(training_set.shape)

    def work(mine):
        states, _, _ = own_trajectories(field, noise[mine], mine, training_set, times, n_steps, method)
        return [_best(field, theory, name, states, t, x, sizes) for name, theory in theories.items()
                for t, x in zip(times, states.x, strict=True)]

    parts = [table for tables in group.spread(torch.arange(n_noises), work) for table in tables]
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["theory", "t", "noise"], ignore_index=True, kind="stable")


def _best(field, theory, name, states, t, x, sizes):
    """Return the rows of one theory at one time."""
    x, seen = x.float(), torch.tensor(t, dtype=torch.float32).item()
    velocity, means = evaluate(field, x, seen), theory.mean_of(x.double(), seen, sizes)
    found = torch.stack([cosine(theory.path.velocity_from_mean(means[k].cpu(), x.double(), seen), velocity)
                         for k in sizes])
    # Of sizes that differ by rounding the largest, so that batches and ranks change nothing.
    best = len(sizes) - 1 - (found >= found.amax(0) - EQUAL).int().flip(0).argmax(0)
    return pd.DataFrame({"theory": name, "t": t, "noise": states.pairs.numpy(), "patch_size": np.array(sizes)[best],
                         "cosine": found.amax(0).numpy()})


def schedules(table, times):
    """Return {theory: Schedule} of a raw table: at each time the lower median over noises, one of the sizes."""
    return {name: Schedule([_median(rows[rows["t"] == t]["patch_size"]) for t in times], list(times))
            for name, rows in table.groupby("theory")}


def _median(sizes):
    return int(np.quantile(sizes, 0.5, method="inverted_cdf"))


def patch_sizes(chosen, table=None):
    """Return the table of k(t): theory, t, patch_size, low, high (of the median, 95 %), n, chosen.

    Parameters
    ----------
    chosen : dict of str to Schedule
    table : DataFrame, optional
        Raw table of the calibration that they come from; without it they were given.
    """
    rows = []
    for name, schedule in chosen.items():
        for t, size in zip(schedule.times, schedule.sizes, strict=True):
            values = () if table is None else table[(table["theory"] == name) & (table["t"] == t)]["patch_size"]
            ends = quantile_interval(values, 0.5)[1:] if len(values) > 1 else (np.nan, np.nan)
            rows.append({"theory": name, "t": t, "patch_size": size, "low": ends[0], "high": ends[1],
                         "n": len(values), "chosen": "given" if table is None else "calibrated"})
    return pd.DataFrame(rows, columns=["theory", "t", "patch_size", "low", "high", "n", "chosen"])

"""Comparison of a network with closed forms: states, patch sizes, fits, velocities and samples, put together."""

from dataclasses import dataclass, field

import pandas as pd
import torch

from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.error.measure import reachable_times
from fmdiag.diagnostics.points.measurable import noted, say_left_out
from fmdiag.diagnostics.points.pairs import check_times
from fmdiag.diagnostics.theories.calibration import calibrate, given_schedule, patch_sizes, schedules
from fmdiag.diagnostics.theories.fits import make_fits
from fmdiag.diagnostics.theories.fresh import fresh_examples
from fmdiag.diagnostics.theories.ladder import built, calibrated_by, chosen, of_patches
from fmdiag.diagnostics.theories.samples import compared_samples, theory_samples
from fmdiag.diagnostics.theories.states import on_paths, own_trajectories
from fmdiag.diagnostics.theories.velocities import velocity_rows
from fmdiag.errors import FmdiagError
from fmdiag.fields import as_field
from fmdiag.paths import as_path
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import draw_noise, seeded, time_grid

TIMES = [round(0.05 + 0.1 * k, 2) for k in range(10)]
N_SHOWN = 8


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    table, left_out : DataFrame
        See `fmdiag.theories`; in the second means over states of squared_error, with the column group: the one that was
        left out of the fit.
    samples : DataFrame
        Columns theory, fitted_on, sample, r2, squared_correlation.
    sizes, calibration : DataFrame
        Patch sizes per theory and time, and what was best per initial noise.
    shown : dict of str to Tensor
        The first samples, of the "network" and of each theory; shape (m, *shape).
    remarks : list of str
        What was left out, and why.
    """

    table: pd.DataFrame
    left_out: pd.DataFrame
    samples: pd.DataFrame
    sizes: pd.DataFrame
    calibration: pd.DataFrame
    shown: dict = field(default_factory=dict)
    remarks: list = field(default_factory=list)


def compare(network, training_set, *, held_out=None, theories=None, times=None, n_pairs=32, n_calibration=10,
            patch_sizes=None, n_steps=20, method="euler", path=None, memory=None, device="cpu", progress=iter,
            group=SINGLE, generator=None, seed=0, only_states=False):
    """Return the Comparison; parameters as of `fmdiag.theories`.

    With `only_states` there are neither samples of theories nor fits with groups left out.
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    network, path = as_field(network), as_path(path)
    times = _times(network, times)
    if n_pairs < 2 or n_calibration < 1:
        raise FmdiagError(f"n_pairs must be at least 2 and n_calibration at least 1, got {n_pairs} and {n_calibration}")
    names, remark = chosen(theories, training_set)
    surroundings = {"path": path, "memory": memory, "device": device}
    solver = {"n_steps": n_steps, "method": method}
    noise = draw_noise(n_pairs, training_set.shape, generator=generator)
    rows = torch.randint(training_set.n, (n_pairs,), generator=generator)
    sizes, raw = _sizes(network, names, training_set, times, patch_sizes, surroundings, n_noises=n_calibration,
                        group=group, generator=generator, **solver)
    fresh = fresh_examples(training_set, n_pairs, held_out=held_out, generator=generator)
    fits = make_fits(names, training_set, fresh.sets, sizes, left_out=not only_states, **surroundings)

    def work(mine):
        own, ends, lost = own_trajectories(network, noise[mine], mine, training_set, times, n_steps, method)
        states = [on_paths("train", noise[mine], training_set[rows.numpy()], mine, path, times),
                  on_paths("heldout", noise[mine], fresh.states, mine, path, times), own]
        found = [velocity_rows(network, fits, sizes, states, k, t) for k, t in progress(list(enumerate(times)))]
        made = {} if only_states else _theory_ends(fits, noise[own.pairs], time_grid(n_steps, times), progress)
        return pd.concat(found, ignore_index=True), ends, own.pairs, made, lost

    return _joined(group.spread(torch.arange(n_pairs), work), sizes, raw, times,
                   [text for text in (remark, fresh.remark) if text])


def _times(network, times):
    """Return the times that the network answers, ascending."""
    times = reachable_times(network, check_times(TIMES if times is None else times))
    if min(times) <= 0:
        raise FmdiagError(f"times must be in (0, 1), got {times}: at t = 0 all theories are the mean of the examples")
    return sorted(set(times))


def _sizes(network, names, training_set, times, given, surroundings, **calibration):
    """Return ({theory: Schedule} for theories of patches, raw table of the calibration or None)."""
    patched = [name for name in names if of_patches(name)]
    if not patched:
        return {}, None
    if given is not None:
        schedule = given_schedule(given, times)
        return dict.fromkeys(patched, schedule), None
    sources = {name: calibrated_by(name) for name in patched}
    theories = {name: built(name, training_set, **surroundings) for name in sorted(set(sources.values()))}
    raw = calibrate(network, theories, training_set, times, **calibration)
    found = schedules(raw, times)
    return {name: found[source] for name, source in sources.items()}, raw


def _theory_ends(fits, noise, grid, progress):
    """Return {theory: samples of its fit on all training examples} from the network's noises."""
    return {name: theory_samples(theory, noise, grid) for name, theory in progress(list(fits[0].fields.items()))}


def _joined(parts, sizes, raw, times, remarks):
    """Return the Comparison of what all ranks found."""
    lost = torch.cat([part[4] for part in parts])
    note = say_left_out(lost, "trajectories")
    order = ["theory", "fitted_on", "compared", "group", "states", "t", "pair"]
    found = pd.concat([part[0] for part in parts]).sort_values(order, ignore_index=True, kind="stable")
    whole = found["group"] < 0
    table = found[whole].drop(columns="group").reset_index(drop=True)
    left_out = found[~whole].groupby(order[:2] + order[3:6], as_index=False)["squared_error"].mean()
    ends, numbers = (torch.cat([part[k] for part in parts]) for k in (1, 2))
    made = {name: torch.cat([part[3][name] for part in parts]) for name in parts[0][3]}
    samples = compared_samples({(name, "train"): x for name, x in made.items()}, ends, numbers)
    shown = {"network": ends[:N_SHOWN], **{name: x[:N_SHOWN].float() for name, x in made.items()}} if made else {}
    return Comparison(noted(table, note), left_out, samples, patch_sizes(sizes, raw), raw, shown, remarks)

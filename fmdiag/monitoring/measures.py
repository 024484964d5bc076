"""Measures of one look at a network in training: cheap versions of the diagnostics, a row per quantity.

    error        squared error against û* at four kinds of states, mean over three times
    gap          held-out loss minus training loss, of rows that change places
    f_mem        share of samples that are copies, beside that of held-out examples, its null
    membership   AUC of telling training from held-out examples by the loss

Each is the measure of its diagnostic with few samples and times. All looks of one setting draw the same pairs, noises
and examples: what changes between them is the network.
"""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from fmdiag import stats
from fmdiag.diagnostics.error import gap as gaps
from fmdiag.diagnostics.error import measure as errors
from fmdiag.diagnostics.membership import measure as members
from fmdiag.diagnostics.memorization import measure as copies
from fmdiag.diagnostics.memorization import near
from fmdiag.diagnostics.memorization.decision import decide, spaces_of
from fmdiag.diagnostics.points.measurable import measurable
from fmdiag.errors import FmdiagError, printable
from fmdiag.fields import as_field
from fmdiag.monitoring.settings import Setting
from fmdiag.sampling import draw_noise, sample
from fmdiag.stats.exchange import EXCHANGES

COLUMNS = ("step", "quantity", "value", "low", "high", "level", "n", "interval", "p", "seconds", "measure", "note")


def look(asked, training_set, *, step=0, n=32, exchanges=EXCHANGES, **options):
    """Return the measures of one look at a field, a row per quantity.

    Parameters
    ----------
    asked : callable
        v(x, t) of the network.
    training_set : Setting, or what `Setting` takes
        A Setting serves many looks, and keeps what they share.
    step : int
        Of the training, for the table.
    n : int
        Pairs, samples and examples of each kind, at least 8; fewer where the sets have fewer.
    exchanges : int
        Random exchanges of a test: no p-value is below 1 / (exchanges + 1).
    **options
        Of `Setting`, where none is given.

    Returns
    -------
    DataFrame
        Columns step, quantity, value, low, high (interval at `level`), level, n, interval (its kind), p (one-sided
        p-value of the quantities gap, auc and f_mem_excess, of this look alone; NaN for others), seconds (of the
        measure), measure, note (why there is no value, else ""). Quantities: error_train, error_heldout, error_model,
        error_closed_form (squared error per coordinate), loss_train, loss_heldout, gap (their difference, per
        training example), f_mem, f_mem_heldout, f_mem_excess, d1 (mean distance from samples to their nearest training
        example), auc. A measure that fails has one row, named as it is, with value NaN and its error as note.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits", n=20)
    >>> table = look(fmdiag.ClosedFormField(train), train, n=20).set_index("quantity")
    >>> float(table.value["f_mem"]), bool(table.value["auc"] > 0.9), bool(table.p["f_mem_excess"] < 0.001)
    (1.0, True, True)
    """
    setting = training_set if isinstance(training_set, Setting) else Setting(training_set, **options)
    one = Look(as_field(asked), setting, n, exchanges)
    parts = [_measured(measure, one) for measure in setting.measures]
    return pd.concat(parts, ignore_index=True).assign(step=int(step))[list(COLUMNS)]


@dataclass(frozen=True)
class Look:
    """One look: the field that is asked, and how many samples and exchanges its measures draw."""

    asked: object
    setting: Setting
    n: int
    exchanges: int

    @cached_property
    def states(self):
        """Table of `fmdiag.error` at the states that the measures of this look need."""
        setting = self.setting
        kinds = None if "error" in setting.measures else ("train", "heldout")
        return errors.measure(self.asked, setting.training_set, states=kinds, times=setting.times, n_pairs=self.n,
                              n_steps=setting.n_steps, method=setting.method, n_band=0,
                              generator=setting.generator(), **setting.surroundings)


def _measured(measure, one):
    """Return the rows of one measure, or the one that says why it failed."""
    name, note, start = getattr(measure, "__name__", measure), "", time.perf_counter()
    try:
        rows = _own(measure, one) if callable(measure) else MEASURES[measure](one)
    except Exception as error:  # training goes on whatever a measure meets
        note = printable(f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}")
        rows = [stats.row(name, name, float("nan"), n=0)]
    table = pd.DataFrame([{"p": np.nan, "note": note} | one for one in rows])
    return table.assign(measure=name, seconds=time.perf_counter() - start)


def _own(measure, one):
    """Return the rows of a function of the user's."""
    found = measure(one.asked, one.setting.training_set)
    found = found if isinstance(found, dict) else {getattr(measure, "__name__", "measure"): found}
    plain = {name: tuple(map(float, value)) if isinstance(value, (tuple, list)) else float(value)
             for name, value in found.items()}
    return [stats.row(name, name, value, n=1) for name, value in plain.items()]


def _error_rows(one):
    """Return error_KIND per kind of states: the mean over times of each state's squared error."""
    rows = []
    for kind, part in one.states.groupby("states", sort=False):
        per_pair = part.groupby("pair")["squared_error"].mean()
        rows.append(stats.summary_row("error", f"error_{kind}", per_pair.to_numpy()))
    return rows


def _gap_rows(one):
    """Return loss_train, loss_heldout and gap of the units, rows that could change places, and the gap's test."""
    train, held_out = gaps.losses_by_unit(one.states)
    if len(train) < gaps.LEAST:
        raise FmdiagError(f"the gap needs {gaps.LEAST} training and held-out examples that could change places, got "
                          f"{len(train)}")
    difference = (held_out - train).to_numpy()
    p = stats.flip_differences(difference, n_flips=one.exchanges).any_larger_p()
    rows = [stats.summary_row("gap", name, values) for name, values in (
        ("loss_train", train.mean(axis=1)), ("loss_heldout", held_out.mean(axis=1)), ("gap", difference.mean(1)))]
    return [*rows[:2], rows[2] | {"p": p}]


def _f_mem_rows(one):
    """Return f_mem and d1 of samples; with held-out examples their f_mem, the excess and the p-value of the rule."""
    setting, rows = one.setting, one.setting.training_set
    noise = draw_noise(one.n, rows.shape, generator=setting.generator())
    parts = setting.group.spread(noise, lambda mine: sample(one.asked, mine, setting.n_steps, setting.method))
    numbers, samples, _ = measurable(torch.cat(parts), rows)
    search = {"device": setting.device, "group": setting.group}
    null, unseen, reason = setting.null if rows.unseen is not None else (None, None, None)
    model = copies.tabulate(numbers, samples, rows, source="model", held_out=unseen, **search)
    found = [stats.summary_row("f_mem", "f_mem", model["memorized"], interval="exact"),
             stats.summary_row("f_mem", "d1", model["d1"])]
    if null is None:
        return found
    both = pd.concat([model, null], ignore_index=True)
    space, = spaces_of(both)
    decision = decide([space], near.pool(rows, unseen, both))
    excess = stats.row("f_mem", "f_mem_excess", space.excess(), n=len(model), interval="newcombe_clustered")
    judged = {"p": decision.p} if reason is None else {"note": printable(reason)}
    return [*found, stats.summary_row("f_mem", "f_mem_heldout", null["memorized"], interval="exact"), excess | judged]


def _membership_rows(one):
    """Return the AUC of the loss over all times, with Newcombe's interval and the p-value of exchanges."""
    setting = one.setting
    table = members.measure(one.asked, setting.training_set, times=setting.times, n_images=one.n, n_noises=1,
                            generator=setting.generator(), **setting.surroundings)
    whole = members.overall(members.scores(table)["loss"])
    own, others = whole.loc["train"].to_numpy(), whole.loc["heldout"].to_numpy()
    p = stats.exchange_pairs(own[:, None], others[:, None], n_exchanges=one.exchanges).largest_p()
    return [stats.auc_row("membership", "auc", own, others) | {"p": p}]


MEASURES = {"error": _error_rows, "gap": _gap_rows, "f_mem": _f_mem_rows, "membership": _membership_rows}

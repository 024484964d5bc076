"""Memorization: how often samples are copies of training rows, beside rows that the model never saw.

A sample counts as memorised if d1 / d2 < 1/3, strictly, where d1 is the Euclidean distance to its nearest training
row and d2 that to the nearest row that is no duplicate of it (duplicates would make the ratio 1 and hide the copy).

The rate has two controls. Held-out rows are the null: around a fresh draw of a smooth distribution in m dimensions
(d1/d2)^m is nearly uniform, so that it passes the rule with probability 3^-m, a third in one and a ninth in two
(derived). Samples of û*, all copies by construction, are the positive control and must come out at 1.

Memorisation: the model's fraction lies above the held-out rows'. Generalisation: it does not, whatever its size.

References
----------
Yoon et al. 2023; Gu et al. 2023; Bonnaire et al. 2025 (the rule in L2; f_mem with 1000 bootstrap resamples).
"""

import warnings

import numpy as np
import pandas as pd
import torch

from fmdiag.datasets import as_training_set
from fmdiag.datasets.grouped_sets import with_groups
from fmdiag.datasets.overlap import usable
from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.memorization import every_class, near
from fmdiag.diagnostics.nulls import check_null
from fmdiag.diagnostics.points.checks import check_range, check_samples, unlike
from fmdiag.diagnostics.points.measurable import measurable, noted
from fmdiag.diagnostics.points.nearest_rows import nearest_rows
from fmdiag.diagnostics.points.orientation import other_orientation
from fmdiag.diagnostics.points.scale import other_scale
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.features import as_features
from fmdiag.fields import ClosedFormField
from fmdiag.neighbors import EXACT
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import closed_form_samples, draw_noise, seeded

NAME = "memorization"
THRESHOLD = 1 / 3
SOURCES = ("model", "heldout", "closed_form")


@by_card
def measure(samples, training_set, *, held_out=None, closed_form=None, n_closed_form=None, path=None, n_steps=100,
            feature="pixels", threshold=THRESHOLD, plan=EXACT, memory=None, device="cpu", progress=iter, group=SINGLE,
            generator=None, seed=0):
    """Return the distances of samples and of both controls to the training set, a row per sample.

    Parameters
    ----------
    samples : Tensor or ndarray, shape (n, *shape)
        The model's samples in model range; diverged ones are left out, with a warning.
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that the model was trained on, flips included.
    held_out : TrainingSet, Tensor, ndarray or False, optional
        Rows that it was not trained on; default the training set's own, of which as many as there are samples are
        drawn, and none that is a training row itself. False, or a set without any: no null.
    closed_form : Tensor, ndarray, callable or False, optional
        Samples of û*, or û* itself; default û* of the training set on `path`. False: no positive control.
    n_closed_form : int, optional
        Number of samples drawn from û*; default 64, beyond a million rows fewer, in inverse proportion, at least 16.
    n_steps : int
        Uniform steps to each.
    path, memory, device, progress, group, generator, seed
        As in `fmdiag.alignment`; each rank searches for its share of the samples.
    feature : str, Feature, or sequence of these
        Feature spaces of the distances: names in `fmdiag.features.FEATURES`, or what `load_feature` returned.
    threshold : float
        Bound on d1 / d2 in (0, 1].
    plan : SearchPlan, optional
        How neighbours are searched: index, tolerance for duplicates, memory, cache of features; default exact.

    Returns
    -------
    DataFrame
        Columns source (model, heldout, closed_form), sample (number within its source; for held-out rows the row
        number), nearest (training row, of duplicates the first), d1, d2, ratio, memorized, feature, threshold; with an
        index that is not exact also recalled: 1 where d1 and d2 were checked and are right, 0 where not, NaN unchecked.
        For samples, where there are held-out examples, also d_heldout (distance to the nearest of them, of all), near
        (the lesser of d1 and d_heldout in units of the distance to the tenth nearest of both sets) and hit (number of
        the example, or group, that is nearest: of the training set from 0 on, of the held-out set from -1 downwards);
        ``attrs["pool"]``, how many of either could have been hit. Where rows have groups, also group: that of the
        nearest training row, or of the held-out row itself.
        Where the training set is of one class, among pixels the columns of `every_class.columns`: what is nearest of
        all classes.
        Where samples are copies of rows in another scale of values or another orientation, a warning says so, and
        ``attrs["not_judged"]``; so does ``attrs["null"]`` where the held-out rows are no null: see `nulls.check_null`.

    Raises
    ------
    FmdiagError
        If there is no sample, all are NaN, they have another shape or range than the training set, or the training
        set has fewer than two distinct rows, so that d2 is undefined.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits")
    >>> table = fmdiag.memorization(train[:20], train)
    >>> table.groupby("source").memorized.mean().round(2).to_dict()
    {'closed_form': 1.0, 'heldout': 0.0, 'model': 1.0}
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    features = as_features(feature, training_set, device)
    numbers, samples, remark = measurable(samples, training_set)
    check_range(samples, training_set)
    search = {"device": device, "group": group, "plan": plan}
    unseen, free = usable(held_out, training_set)
    check = check_null(training_set, unseen, free, features=features, **search)
    free = check.kept
    points = {"model": (numbers, samples),
              "heldout": held_out_rows(unseen, free, training_set, len(samples), generator)}
    held_out, unseen = unseen, None if unseen is None else near.searched(unseen, free)
    if closed_form is None:
        closed_form = ClosedFormField(training_set, path, memory=memory, device=device)
    n = control_size(training_set.n) if n_closed_form is None else n_closed_form
    points["closed_form"] = closed_form_points(closed_form, training_set, n, n_steps, group, generator)
    asked = [source for source in SOURCES if points[source] is not None]
    tables = [tabulate(*points[source], training_set, source=source, feature=feature, threshold=threshold, plan=plan,
                       device=device, group=group, held_out=unseen if source == "model" else None)
              for feature, source in progress([(feature, source) for feature in features for source in asked])]
    table = with_groups(pd.concat(tables, ignore_index=True), training_set, held_out)
    table = check.noted(noted(table, remark))
    if unseen is not None:
        table.attrs["pool"] = near.pool(training_set, unseen, table)
    n_copies = int(tables[0]["memorized"].sum())
    reason = (_other_scale(samples, training_set, n_copies)
              or other_orientation(samples, training_set, n_copies, threshold=threshold, feature=features[0], **search))
    if reason is not None:
        table.attrs["not_judged"] = reason
        warnings.warn(reason, FmdiagWarning, stacklevel=2)
    return table


def _other_scale(samples, training_set, n_copies):
    """Return why nothing is judged where samples are copies in another scale; None where they are found anyway."""
    found = other_scale(samples, training_set) if unlike(samples, training_set) else None
    return found[0] if found is not None and n_copies < found[1] * len(samples) / 2 else None


def tabulate(numbers, points, training_set, *, source, feature="pixels", threshold=THRESHOLD, plan=EXACT,
             device="cpu", group=SINGLE, held_out=None):
    """Return the rows of `measure` for the points of one source in one feature space, `numbers` naming them.

    With held-out examples, a TrainingSet, these are searched as well, for the columns of `near.COLUMNS`.
    """
    feature, = as_features(feature, training_set, device)
    search = {"feature": feature, "device": device, "group": group, "plan": plan}
    found = nearest_rows(points, training_set, n_near=near.NEIGHBOR, **search)
    if (found.rows2 < 0).any():
        within = f" within the tolerance {plan.tolerance:g}" if plan.tolerance else ""
        raise FmdiagError(f"{training_set.name}: all {training_set.n} rows are copies of one{within}; d1/d2 compares "
                          "two different rows, so give a training set with at least two")
    checked = {} if found.recalled is None else {"recalled": found.recalled}
    beside = {} if held_out is None else near.columns(points, found, training_set, held_out, **search)
    return pd.DataFrame({"source": source, "sample": numbers, "nearest": found.rows1, "d1": found.d1, "d2": found.d2,
                         "ratio": found.ratio, "memorized": found.ratio < threshold, "feature": feature.name,
                         "threshold": threshold, **checked, **beside,
                         **every_class.columns(points, training_set, threshold=threshold, **search)})


def held_out_rows(held_out, free, training_set, n_samples, generator):
    """Return (numbers, points) of at most n_samples held-out rows, those numbered `free`, or None without any."""
    if held_out is None:
        return None
    numbers = free[torch.randperm(len(free), generator=generator)[:n_samples].sort().values.numpy()]
    rows = check_samples(held_out[numbers], training_set, what="held-out example")
    check_range(rows, training_set, what="held-out examples")
    return numbers, rows


def control_size(n_rows):
    """Return how many samples of û* make the positive control: each costs a pass over all rows per step."""
    return min(64, max(16, 64 * 10**6 // n_rows))


def closed_form_points(closed_form, training_set, n, n_steps, group, generator):
    """Return (numbers, points) of samples of û*, drawn if û* itself is given, or None if False is."""
    if closed_form is False:
        return None
    if callable(closed_form):
        noise = draw_noise(n, training_set.shape, generator=generator)
        u_star = closed_form
        closed_form = torch.cat(group.spread(noise, lambda mine: closed_form_samples(u_star, mine, n_steps)))
    points = check_samples(closed_form, training_set, what="sample of û*")
    return np.arange(len(points)), points

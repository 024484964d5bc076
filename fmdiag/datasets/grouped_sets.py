"""Grouped rows in two sets: whole groups are held out, and none is in both.

A held-out example of a group that was trained on (another frame of the same video) looks like a copy of it: it raises
the null until real copies are no more than chance.
"""

from dataclasses import replace

import numpy as np

from fmdiag.datasets.groups import numbered
from fmdiag.errors import FmdiagError


def check_several(groups, name):
    """Raise FmdiagError where all rows are in one group: nothing could be held out or compared."""
    if groups is not None and (groups == groups[0]).all():
        raise FmdiagError(f"{name}: all {len(groups)} rows are in one group: give other --groups, or --groups none to "
                          "count every row for itself")


def beside(held_out, training_set):
    """Return a held-out TrainingSet whose group numbers are no training groups'; as it is where neither has groups.

    Raises
    ------
    FmdiagError
        If a group is in both sets, the held-out rows have no groups, or fewer than two.
    """
    if held_out is None or training_set.groups is None:
        return held_out
    if held_out.groups is None:
        raise FmdiagError(f"{held_out.name}: held-out examples without groups beside training examples that have some: "
                          f"load "
                          "them with the same groups, as a pair if these are arrays: groups=(of training examples, of "
                          "held-out examples)")
    ours, theirs = ({rows.group_names[k] for k in np.unique(rows.groups)} for rows in (training_set, held_out))
    if len(theirs) < 2:
        raise FmdiagError(f"{held_out.name}: all {held_out.n_stored} held-out examples are in one group, which shows "
                          "nothing of others: give rows of two groups or more")
    shared = sorted(ours & theirs)
    if shared:
        more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
        both = "are" if more else "is"
        raise FmdiagError(f"{training_set.name}: group {shared[0]!r}{more} {both} in both sets: held-out examples of a "
                          "group that was trained on are no rows that the model never saw; leave them out, or hold out "
                          "whole groups (--held-out 0.1)")
    n = len(training_set.group_names)
    if held_out.group_names[:n] == training_set.group_names:   # one numbering already
        return held_out
    return replace(held_out, groups=held_out.groups + n,
                   group_names=(*training_set.group_names, *held_out.group_names))


def rows_of_whole_groups(groups, fraction, seed, name):
    """Return which rows are held out, bool, shape (n,): whole groups, taken in a seeded order.

    A group is taken if it brings the number of rows nearer to `fraction` of all, so that it misses that by half a
    group at most.

    Raises
    ------
    FmdiagError
        If fewer than two groups would be held out, or left.
    """
    check_several(groups, name)
    held_out = _taken(groups, fraction, seed)
    if _both_have_two(groups, held_out):
        return held_out
    shares = [share / 100 for share in range(1, 100)]
    fitting = [share for share in shares if _both_have_two(groups, _taken(groups, share, seed))]
    way = (f"give --held-out {min(fitting, key=lambda share: abs(share - fraction)):g}" if fitting else
           "no share does better: give --groups with more and smaller groups")
    n_held, n = len(np.unique(groups[held_out])), len(np.unique(groups))
    raise FmdiagError(f"{name}: --held-out {fraction:g} holds out {n_held} of {n} groups, but two at least must be "
                      f"held out and two left: {way}")


def _both_have_two(groups, held_out):
    return min(len(np.unique(groups[held_out])), len(np.unique(groups[~held_out]))) >= 2


def _taken(groups, fraction, seed):
    found, sizes = np.unique(groups, return_counts=True)
    wanted, total, taken = fraction * len(groups), 0, []
    for k in np.random.default_rng(seed).permutation(len(found)):
        if abs(total + sizes[k] - wanted) < abs(total - wanted):
            total += sizes[k]
            taken.append(found[k])
    return np.isin(groups, taken)


def regrouped(training_set, groups):
    """Return a TrainingSet with other groups: an array, a pair of these for it and its held-out rows, or False.

    Raises
    ------
    FmdiagError
        If `groups` names something: that is found only where the rows are read.
    """
    if groups is False or isinstance(groups, str) and groups == "none":
        return replace(training_set, groups=None, group_names=(), grouped_by=None)
    if isinstance(groups, str):
        raise FmdiagError(f"{training_set.name}: groups={groups!r} is found where the rows are read: give it to "
                          "load_dataset, or give an array of one number or name per row")
    ours, theirs = groups if isinstance(groups, tuple) and len(groups) == 2 else (groups, None)
    numbers, names = numbered(ours, training_set.n_stored, training_set.name)
    check_several(numbers, training_set.name)
    changed = replace(training_set, groups=numbers, group_names=names, grouped_by=None)
    if theirs is None or training_set.held_out_source is None:   # held-out rows that are given beside it come later
        return changed
    numbers, names = numbered(theirs, training_set.held_out.n_stored, training_set.held_out.name)
    return replace(changed, held_out_source=replace(training_set.held_out, groups=numbers, group_names=names))


def with_groups(table, training_set, held_out=None):
    """Return a table of points and their nearest training rows with a column group; as it is where rows have no groups.

    Parameters
    ----------
    table : DataFrame
        Columns source, sample and nearest (training row, mirror images counted).
    held_out : TrainingSet, optional
        The rows that `sample` numbers where the source is heldout, as `usable` returns them; default the training set's
        own ones that it does not hold itself.

    Returns
    -------
    DataFrame
        group, int64: that of the nearest training row, or of a held-out row its own, which is another number.
    """
    if training_set.groups is None:
        return table
    groups, own = training_set.group_of(table["nearest"]), (table["source"] == "heldout").to_numpy()
    if own.any():
        held_out = training_set.unseen if held_out is None else beside(held_out, training_set)
        groups[own] = held_out.group_of(table["sample"][own])
    return table.assign(group=groups)

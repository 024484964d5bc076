"""Duplicates: training examples that equal, or nearly equal, others, and held-out examples that do (leaks).

Equal examples are found by a hash of their content among all rows. Near ones lie within a third of the distance to the
tenth nearest example, in pixels or in a feature space (`nearest.Rule`): a share of the local spacing, as dense classes
lie closer together than others. Held-out examples under the same rule are the control: their share is what examples
drawn independently of the training set show, whether by chance or because the source itself repeats.

Duplicates make memorisation likelier: a model copies an example that it sees k times as often far more than k times as
often as one that it sees once.

References
----------
Barz and Denzler 2020, "Do we train on test data?", arXiv 1902.00423. Kandpal, Wallace and Raffel 2022, "Deduplicating
training data mitigates privacy risks", arXiv 2202.06539. Somepalli et al. 2023, arXiv 2305.20086. Webster et al. 2023,
"On the de-duplication of LAION-2B", arXiv 2303.12733.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.duplicates.groups import members
from fmdiag.diagnostics.duplicates.leaks import leaks
from fmdiag.diagnostics.duplicates.nearest import Rule, among_training_rows, contents, of_points
from fmdiag.errors import FmdiagError
from fmdiag.features import as_features
from fmdiag.neighbors import EXACT
from fmdiag.ranks.group import SINGLE

NAME = "duplicates"
RULE = Rule()


@dataclass(frozen=True, eq=False)
class Found:
    """Duplicates, leaks, and the nearest other of every example that was looked up, in all feature spaces."""

    members: pd.DataFrame
    leaks: pd.DataFrame
    nearest: pd.DataFrame


@by_card
def measure(training_set, *, feature="pixels", threshold=1 / 3, neighbor=10, tolerance=0.0, n_examples=None, plan=EXACT,
            device="cpu", group=SINGLE, progress=iter, seed=0):
    """Return the training examples that have a duplicate, a row each: the members of `find`.

    Parameters
    ----------
    training_set : TrainingSet, array, torch Dataset, name or path
    threshold : float
        A pair is near whose distance is below this share of that to the k-th nearest example.
    neighbor : int
        The k.
    tolerance : float
        Where above 0: a pair is near whose distance is at most this.
    feature, n_examples, plan, device, group, progress, seed
        As in `find`.

    Returns
    -------
    DataFrame
        Columns feature, group, size, row, file, nearest, nearest_file, distance, kind; see `find`.

    Examples
    --------
    >>> import fmdiag, numpy as np
    >>> digits = fmdiag.load_dataset("digits", n=50)
    >>> twice = np.concatenate([digits.rows / 8 - 1, digits.rows[:1] / 8 - 1]).astype("float32")
    >>> fmdiag.duplicates(twice, tolerance=0.1)[["group", "row", "nearest", "kind"]].values.tolist()
    [[0, 0, 50, 'exact'], [0, 50, 0, 'exact']]
    """
    return find(training_set, feature=feature, rule=Rule(threshold, neighbor, tolerance), n_examples=n_examples,
                plan=plan, device=device, group=group, progress=progress, seed=seed).members


def find(training_set, *, feature="pixels", rule=RULE, n_examples=None, plan=EXACT, device="cpu", group=SINGLE,
         progress=iter, seed=0):
    """Return the Found of a training set.

    Parameters
    ----------
    training_set : TrainingSet, array, torch Dataset, name or path
        Where flips count, mirrored duplicates are found as well.
    feature : str, Feature, or sequence of these
        Spaces in which examples are compared.
    rule : Rule
        What counts as near.
    n_examples : int, optional
        Training examples whose neighbors are searched among all others, drawn at random; default all. Equal examples
        are found among all.
    plan : SearchPlan
        Memory and cache of features.
    device, group
        As in `fmdiag.memorization`; each rank looks up its share of the examples.
    progress : callable
        Wraps the list of blocks of examples.
    seed : int
        Draws the examples.

    Returns
    -------
    Found
        members: columns feature, group (number, the largest first), size (of the group), row, file (its picture below
        the set's folder, empty where rows are no files), nearest and nearest_file (the nearest member of the group),
        distance (to it), kind (exact: equal content, mirrored: to its mirror image, equal or near, near).
        leaks: feature, held_out and held_out_file, row and file (of the training example), distance, scale (distance to
        the tenth nearest), kind.
        nearest: feature, source (train, heldout), row, nearest (training row), distance, scale, ratio (distance /
        scale), duplicated (whether one is equal, or near by the row's own scale), group (of the row, of a held-out row
        that of its nearest; below 0 where that row is in none: what a row stands or falls with).

    Raises
    ------
    FmdiagError
        If there is only one training example, or a value is not finite.
    """
    training_set = as_training_set(training_set)
    if training_set.n_stored < 2:
        raise FmdiagError(f"{training_set.name}: duplicates compares training examples with one another, and there is "
                          "one only: give two or more")
    found = [_in(training_set, one, rule, n_examples, seed,
                 {"plan": plan, "device": device, "group": group, "progress": progress})
             for one in as_features(feature, training_set, device)]
    return Found(*(pd.concat(parts, ignore_index=True) for parts in zip(*found, strict=True)))


def _in(training_set, feature, rule, n_examples, seed, search):
    """Return (members, leaks, nearest) in one feature space."""
    search, labels = {"feature": feature, **search}, contents(training_set)
    looked_up = _drawn(training_set.n_stored, n_examples, seed)
    numbers = np.unique(labels[looked_up])
    others = among_training_rows(training_set, numbers, rule, **search)
    grouped = members(training_set, numbers, others, rule, feature.name)
    place = np.searchsorted(numbers, labels[looked_up])
    train = _nearest("train", looked_up, others.rows[place], others.distances[place], others.scale[place], rule)
    held_out = training_set.held_out
    if held_out is None:
        tables = [train]
        leaked = leaks(training_set, None, rule, feature.name)
    else:
        theirs = of_points(held_out, training_set, rule, **search)
        tables = [train, _nearest("heldout", np.arange(len(held_out)), theirs.rows, theirs.distances, theirs.scale,
                                  rule)]
        leaked = leaks(training_set, theirs, rule, feature.name, **search)
    table = _with_groups(pd.concat(tables, ignore_index=True), grouped, labels)
    return grouped, leaked, table.assign(feature=feature.name)


def _drawn(n, n_examples, seed):
    """Return the stored rows that are looked up, ascending."""
    if n_examples is None or n_examples >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).permutation(n)[:n_examples])


def _nearest(source, numbers, rows, distances, scale, rule):
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(distances[:, 0] == 0, 0.0, distances[:, 0] / scale)
    return pd.DataFrame({"source": source, "row": numbers, "nearest": rows[:, 0], "distance": distances[:, 0],
                         "scale": scale, "ratio": ratio,
                         "duplicated": rule.near(distances[:, :1], scale)[:, 0]})


def _with_groups(table, grouped, labels):
    """Return the table with equal rows as duplicates at distance 0, and with what each row stands or falls with."""
    train, n = (table["source"] == "train").to_numpy(), len(labels)
    equal = grouped[(grouped["distance"] == 0)].set_index("row")["nearest"]
    again = train & table["row"].isin(equal.index).to_numpy()
    table.loc[again, "nearest"] = equal[table.loc[again, "row"]].to_numpy()
    table.loc[again, ["distance", "ratio"]] = 0.0
    table.loc[again, "duplicated"] = True
    group = np.arange(n) - n
    group[grouped["row"].to_numpy(np.int64)] = grouped["group"]
    own = np.where(train, table["row"], table["nearest"]).astype(np.int64) % n
    return table.assign(group=group[own])

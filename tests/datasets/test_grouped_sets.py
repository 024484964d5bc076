"""Grouped rows in two sets: whole groups are held out, and no group is in both."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fmdiag.datasets import load_dataset
from fmdiag.datasets.grouped_sets import regrouped, rows_of_whole_groups, with_groups
from fmdiag.datasets.overlap import usable
from fmdiag.diagnostics.memorization.measure import measure as memorization
from fmdiag.diagnostics.memorization.measure import tabulate
from fmdiag.diagnostics.memorization.sweep import sweep
from fmdiag.errors import FmdiagError
from fmdiag.stats.clustered import clustered_difference, effective_counts


def points(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_a_split_holds_out_whole_groups_within_half_a_group_of_the_share(fraction, seed):
    sizes = np.random.default_rng(seed).integers(1, 20, size=60)
    groups = np.repeat(np.arange(60), sizes)
    held_out = rows_of_whole_groups(groups, fraction, seed, "x")
    assert not set(groups[held_out]) & set(groups[~held_out])
    assert abs(held_out.sum() - fraction * len(groups)) <= sizes.max() / 2
    assert (held_out == rows_of_whole_groups(groups, fraction, seed, "x")).all()


def test_a_split_of_single_rows_meets_the_share_exactly():
    assert rows_of_whole_groups(np.arange(50), 0.3, 0, "x").sum() == 15


def test_a_split_that_misses_the_share_says_by_how_much():
    with pytest.warns(match=r"array: 2 whole groups of 6 are held out, 8 of 24 rows \(33.3% instead of 30.0%\)"):
        rows = load_dataset(points(24), groups=np.repeat(np.arange(6), 4), held_out=0.3)
    assert any("2 whole groups" in caution for caution in rows.cautions)
    assert not set(rows.groups) & set(rows.held_out.groups) and rows.held_out.split == "test"
    assert rows.group_names == rows.held_out.group_names and rows.n + rows.held_out.n == 24


@pytest.mark.parametrize(("sizes", "fraction", "message"), [
    ([10] * 10, 0.1, "--held-out 0.1 holds out 1 of 10 groups, but .* give --held-out 0.16$"),
    ([10] * 10, 0.9, "holds out 9 of 10 groups, but two at least must be held out and two left: give --held-out 0.85$"),
    ([50, 40, 10], 0.3, "no share does better"), ([30], 0.3, "all 30 rows are in one group")])
def test_too_few_groups_to_hold_out_are_refused_with_a_share_that_works(sizes, fraction, message):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    with pytest.raises(FmdiagError, match=message) as refusal:
        load_dataset(points(sum(sizes)), groups=groups, held_out=fraction)
    advice = str(refusal.value).rpartition("--held-out ")[2]
    if len(sizes) == 10:
        held_out = rows_of_whole_groups(groups, float(advice), 0, "x")
        assert min(len(set(groups[held_out])), len(set(groups[~held_out]))) >= 2


@pytest.mark.parametrize(("theirs", "message"), [
    ([3, 3, 4, 5], "array: group '3' is in both sets: held-out examples of a group that was trained on"),
    ([0, 1, 2, 9], "group '0' and 2 more are in both sets"), ([8, 8, 8, 8], "all 4 held-out examples are in one group"),
    (None, "held-out examples without groups beside training examples that have some: load them with the same groups, "
           "as a pair")])
def test_held_out_rows_must_be_of_other_groups(theirs, message):
    ours = np.repeat(np.arange(4), 3)
    rows = load_dataset(points(12), groups=ours if theirs is None else (ours, theirs), held_out=points(4, 1))
    with pytest.raises(FmdiagError, match=message):
        rows.held_out  # noqa: B018
    with pytest.raises(FmdiagError, match="without groups"):
        usable(points(4, 1), rows)


def test_a_table_of_copies_has_the_group_of_the_nearest_row_and_held_out_rows_their_own():
    ours, theirs = np.repeat([5, 6, 7], 4), [1, 1, 2, 2, 3]
    rows = load_dataset(points(12), groups=(ours, theirs), held_out=points(5, 1))
    table = pd.DataFrame({"source": ["model", "heldout", "closed_form", "heldout"], "sample": [0, 4, 0, 2],
                          "nearest": [2, 4, 11, 0]})
    table.attrs["kept"] = True
    for held_out in (None, rows.held_out):
        found = with_groups(table, rows, held_out)
        assert [rows.unseen.group_names[k] for k in found["group"]] == ["5", "3", "7", "2"] and found.attrs["kept"]
        assert not set(found["group"][[0, 2]]) & set(found["group"][[1, 3]])
    assert with_groups(table, regrouped(rows, False)) is table
    assert with_groups(table[:1], regrouped(replace(rows, held_out_source=None), ours))["group"].tolist() == [0]


def test_held_out_frames_of_videos_that_were_trained_on_look_like_copies_and_others_do_not():
    rng, video = np.random.default_rng(0), np.repeat(np.arange(50), 2)
    frames = (rng.normal(size=(50, 10))[video] + 0.01 * rng.normal(size=(100, 10))).astype(np.float32)

    def copies(rows):
        return tabulate(np.arange(30), rows.held_out[np.arange(30)], rows, source="heldout")["memorized"].to_numpy()

    alone = load_dataset(frames, held_out=0.3)
    others = {frame.tobytes(): k for k, frame in enumerate(frames)}
    number = np.array([others[frame.tobytes()] for frame in alone.held_out.rows])
    assert (copies(alone) == ~np.isin(number ^ 1, number)).all()   # exactly those whose other frame was trained on
    # d1/d2 < 1/3 by chance has probability 3^-10 in ten dimensions: one in 30 rows with 0.05 %.
    assert not copies(load_dataset(frames, held_out=0.3, groups=video)).any()


def test_the_decision_on_copies_counts_groups():
    groups, rng = np.repeat(np.arange(12), 5), np.random.default_rng(0)
    equal = rng.normal(size=(60, 2)).astype(np.float32)
    held_out = np.concatenate([equal[:2], rng.normal(size=(28, 2))]).astype(np.float32)
    rows = load_dataset(equal, groups=(groups, np.repeat([20, 21, 22], 10)), held_out=held_out)
    with pytest.warns(match="2 of 30 held-out examples equal training examples"):
        table = memorization(rows[np.arange(10)] + 1e-4, rows, held_out=rows.held_out, n_closed_form=4)
    model = table[table["source"] == "model"]
    assert table.attrs["pool"] == (12, 3) and set(model["hit"]) <= {0, 1}       # of the two groups that were copied
    shares = sweep(table, thresholds=[1 / 3]).set_index("source").loc["model"]
    parts = model, table[table["source"] == "heldout"]
    counts = [effective_counts(part["ratio"] < 1 / 3, part["group"]) for part in parts]
    assert tuple(shares[["excess", "excess_low", "excess_high"]]) == pytest.approx(clustered_difference(*counts))


def test_groups_are_put_on_a_set_that_is_there_already():
    rows = load_dataset(points(12), held_out=points(4, 1))
    changed = regrouped(rows, (np.repeat([0, 1], 6), list("abab")))
    assert changed.groups.tolist() == [0] * 6 + [1] * 6 and changed.held_out.groups.tolist() == [2, 3, 2, 3]
    with pytest.raises(FmdiagError, match="groups='patient' is found where the rows are read"):
        regrouped(rows, "patient")

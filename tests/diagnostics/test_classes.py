"""Means by class and over classes: numbers by hand, and in the runs of error and memorization."""

import warnings

import numpy as np
import pytest

import fmdiag
from fmdiag.diagnostics.points.by_class import OVER, class_rows, labels_of
from fmdiag.stats import bounded_interval, mean_interval


def test_over_classes_each_class_counts_once_and_their_spread_makes_the_interval():
    rng = np.random.default_rng(0)
    effects, sizes = rng.normal(size=6), [2, 3, 50, 2, 7, 9]
    labels = np.repeat(np.arange(6), sizes)
    values = effects[labels] + 1e-3 * rng.normal(size=len(labels))
    rows = class_rows("error", "squared_error", values, labels, t=0.5)
    means = [values[labels == k].mean() for k in range(6)]
    assert [one["value"] for one in rows[:-1]] == pytest.approx(means) and {one["t"] for one in rows} == {0.5}
    assert (rows[-1]["value"], rows[-1]["low"], rows[-1]["high"]) == pytest.approx(mean_interval(means))
    assert rows[-1]["class_label"] == OVER and rows[-1]["n"] == 6
    # The interval over values, of which most are of one class, would be of another number.
    assert abs(rows[-1]["value"] - values.mean()) > 0.1


def test_shares_have_exact_intervals_and_stay_in_their_range_over_classes():
    rows = class_rows("memorization", "f_mem", np.array([True, True, False, False]), [0, 0, 1, 1], interval="exact")
    assert [one["value"] for one in rows] == [1.0, 0.0, 0.5]
    assert (rows[-1]["low"], rows[-1]["high"]) == pytest.approx(bounded_interval([1.0, 0.0])[1:])
    assert rows[-1]["interval"] == "bounded_over_classes" and 0 <= rows[-1]["low"] < rows[-1]["high"] <= 1


def test_one_class_has_no_row_over_classes_and_mirror_images_have_labels():
    assert len(class_rows("error", "cosine", [1.0, 2.0], [4, 4])) == 1
    train = fmdiag.TrainingSet(np.zeros((3, 1, 2, 2)), labels=np.array([5, 6, 7]), hflip=True)
    assert labels_of(train, [0, 4, 5]).tolist() == [5, 6, 7]
    assert labels_of(train.of_class(5), [0]) is None


def test_tables_of_runs():
    train = fmdiag.load_dataset("digits", n=40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = fmdiag.Run(field=fmdiag.ClosedFormField(train), train=train)
        error = run.error(n_pairs=12, times=(0.5,)).tables["error_classes"]
        copies = run.memorization(n_samples=12, n_steps=4).tables["memorization_classes"]
    over = error[(error["class_label"] == OVER) & (error["quantity"] == "squared_error")]
    assert len(over) == 1 and over["value"].iloc[0] < 1e-10
    model = copies[(copies["source"] == "model") & (copies["class_label"] != OVER)]
    assert model["n"].sum() == 12 and (model["value"] == 1).all()
    assert copies[copies["class_label"] == OVER]["n"].max() == copies["class_label"].nunique() - 1

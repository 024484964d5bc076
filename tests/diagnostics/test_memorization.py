"""The d1/d2 rule and its controls: exact copies, fresh draws, planted copies, duplicates, flips, verdicts."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.memorization import measure as memorization
from fmdiag.diagnostics.memorization.closest import closest
from fmdiag.diagnostics.memorization.measure import measure
from fmdiag.diagnostics.memorization.rule import verdict
from fmdiag.diagnostics.memorization.summary import summarise


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian(n, dim, seed):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def pictures(n, seed, side=6):
    rows = np.random.default_rng(seed).integers(0, 256, size=(n, 1, side, side), dtype=np.uint8)
    return TrainingSet(rows, divisor=127.5, shift=-1.0, name="pictures")


def quantity(summary, name, source="model", interval=None):
    rows = summary[(summary["quantity"] == name) & (summary["source"] == source)]
    return (rows if interval is None else rows[rows["interval"] == interval]).iloc[0]


def only_samples(samples, training_set, **options):
    return measure(samples, training_set, held_out=False, closed_form=False, generator=generator(), **options)


def test_the_training_set_as_samples_is_memorised_entirely():
    training_set = pictures(50, 0)
    table = only_samples(training_set[:], training_set)
    assert (table["d1"] == 0).all() and (table["ratio"] == 0).all() and table["memorized"].all()
    assert list(table["nearest"]) == list(range(50))
    summary = summarise(table)
    assert quantity(summary, "f_mem", interval="exact")["value"] == 1
    assert quantity(summary, "copied_rows")["value"] == 50
    assert quantity(summary, "identical")["value"] == 1


@pytest.mark.parametrize("dim", [1, 2])
def test_fresh_draws_of_the_same_law_pass_the_rule_by_chance(dim):
    """Around a fresh point of a smooth law (d1/d2)^m is uniform as n grows, so 3^-m of the draws pass (derived).

    2000 draws: the share lies within 4.5 standard errors but for 7e-6; the density's variation within d2 shifts it
    by less than 0.01 at n = 20000 (the standard error is 0.007 to 0.011).
    """
    table = only_samples(gaussian(2000, dim, 1), TrainingSet(gaussian(20000, dim, 2)))
    expected = 3.0**-dim
    error = np.sqrt(expected * (1 - expected) / 2000)
    assert abs(table["memorized"].mean() - expected) < 4.5 * error + 0.01


def test_fresh_low_dimensional_draws_are_no_evidence():
    training_set = TrainingSet(gaussian(5000, 2, 0), held_out_source=TrainingSet(gaussian(600, 2, 1), split="test"))
    table = measure(gaussian(500, 2, 2), training_set, generator=generator())
    summary = summarise(table)
    assert 0.05 < quantity(summary, "f_mem", interval="exact")["value"] < 0.2
    assert quantity(summary, "f_mem", "closed_form")["value"] == 1
    assert verdict(table).answer != "copies found"


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_planted_copies_are_recovered_with_rows_repeated_or_not(noise):
    """A tenth of the samples are copies; in 36 dimensions fresh ones pass with probability 3^-36, so f_mem is 10 %."""
    training_set = pictures(300, 0)
    samples = pictures(400, 1)[:]
    copied = np.random.default_rng(2).choice(400, 40, replace=False)
    source = np.random.default_rng(3).choice(300, 40, replace=False)
    samples[copied] = training_set[source] + noise * torch.randn(40, 1, 6, 6, generator=generator())
    for copies in (1, 3):
        repeated = TrainingSet(np.tile(training_set.rows, (copies, 1, 1, 1)), divisor=127.5, shift=-1.0,
                               held_out_source=pictures(300, 4))
        table = measure(samples, repeated, n_closed_form=8, generator=generator())
        model = table[table["source"] == "model"]
        assert set(model.loc[model["memorized"], "sample"]) == set(copied)
        assert list(model["nearest"].to_numpy()[copied]) == list(source)
        summary = summarise(table)
        row = quantity(summary, "f_mem", interval="exact")
        assert row["value"] == 0.1 and row["low"] < 0.1 < row["high"]
        assert quantity(summary, "copied_rows")["value"] == 40
        assert quantity(summary, "identical")["value"] == (0.1 if noise == 0 else 0)
        assert verdict(table).text.startswith("Copies found: 10.0% [7.2%, 13.4%] of 400 samples have ")


def test_copies_of_mirrored_rows_are_seen_only_with_flips():
    training_set = pictures(60, 0)
    samples = training_set[:20].flip(-1)
    assert not only_samples(samples, training_set)["memorized"].any()
    with_flips = only_samples(samples, training_set.with_hflip())
    assert with_flips["memorized"].all() and list(with_flips["nearest"]) == list(range(60, 80))


def test_the_bound_is_strict():
    """d1 = 1, d2 = 4 are exact: a ratio equal to the threshold is not below it."""
    training_set = TrainingSet(np.array([[0.0], [5.0]], np.float32))
    samples = np.array([[1.0]], np.float32)
    assert only_samples(samples, training_set, threshold=0.25)["memorized"].tolist() == [False]
    assert only_samples(samples, training_set, threshold=0.2501)["memorized"].tolist() == [True]


def test_columns_and_sources():
    training_set = TrainingSet(gaussian(40, 3, 0), held_out_source=lambda: TrainingSet(gaussian(30, 3, 1)))
    table = measure(gaussian(20, 3, 2), training_set, n_closed_form=5, generator=generator())
    assert list(table.columns) == ["source", "sample", "nearest", "d1", "d2", "ratio", "memorized", "feature",
                                   "threshold", "d_heldout", "near", "hit"]
    assert table.groupby("source", sort=False).size().to_dict() == {"model": 20, "heldout": 20, "closed_form": 5}
    assert table["feature"].unique().tolist() == ["pixels"]
    np.testing.assert_allclose(table["ratio"], table["d1"] / table["d2"], rtol=1e-15)
    assert (table["memorized"] == (table["ratio"] < 1 / 3)).all()
    heldout = table[table["source"] == "heldout"]
    assert heldout["sample"].is_unique and heldout["sample"].max() < 30
    again = measure(gaussian(20, 3, 2), training_set, n_closed_form=5, generator=generator())
    pd.testing.assert_frame_equal(table, again)


def test_fewer_held_out_rows_than_samples_are_all_taken():
    table = measure(gaussian(20, 3, 0), TrainingSet(gaussian(40, 3, 1)), held_out=gaussian(7, 3, 2), closed_form=False,
                    generator=generator())
    assert sorted(table.loc[table["source"] == "heldout", "sample"]) == list(range(7))


def test_samples_of_the_closed_form_may_be_given():
    training_set = TrainingSet(gaussian(40, 3, 0))
    table = measure(gaussian(9, 3, 1), training_set, closed_form=training_set[:12], generator=generator())
    assert table.loc[table["source"] == "closed_form", "memorized"].tolist() == [True] * 12


def table_of(model, heldout, closed_form, n=100):
    """Return a raw table in which so many of n samples per source are memorised; None leaves the source out."""
    parts = []
    for source, count in (("model", model), ("heldout", heldout), ("closed_form", closed_form)):
        if count is not None:
            memorized = np.arange(n) < count
            parts.append(pd.DataFrame({
                "source": source, "sample": np.arange(n), "nearest": np.arange(n),
                "d1": np.where(memorized, 0, 2.0), "d2": 3.0, "ratio": np.where(memorized, 0, 2 / 3),
                "memorized": memorized, "feature": "pixels", "threshold": 1 / 3}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(("counts", "opening"), [
    ((50, 2, 100), "Copies found: 50.0% [39.8%, 60.2%] of 100 samples have d1/d2 < 1/3, copies of 50 "
                   "training examples, against 2.0%"),
    ((25, 25, 100), "Undecided: 25.0%"),
    ((5, 2, 100), "Undecided: 5.0%"),
    ((0, 20, 100), "No excess of copies found: 0.0%"),
    ((50, None, 100), "No verdict: no held-out set, no null; 50.0%"),
    ((50, 2, 99), "No verdict in pixels, positive control failed: only 99.0%"),
])
def test_the_verdict_is_decided_against_the_controls(counts, opening):
    sentence = verdict(table_of(*counts)).text
    assert sentence.startswith(opening)
    assert sentence.endswith(".") and "\n" not in sentence


def test_a_missing_positive_control_is_said():
    assert "positive control is missing" in verdict(table_of(50, 2, None)).text


def test_summary_intervals():
    summary = summarise(table_of(10, 1, 100))
    exact, bootstrap = (quantity(summary, "f_mem", interval=kind) for kind in ("exact", "bootstrap"))
    assert (exact["low"], exact["high"]) == pytest.approx(stats.beta.ppf([0.025, 0.975], [10, 11], [91, 90]), rel=1e-9)
    assert 0 < bootstrap["low"] < 0.1 < bootstrap["high"] < 0.2
    assert quantity(summary, "d1")["value"] == pytest.approx(1.8)
    assert quantity(summary, "ratio")["value"] == pytest.approx(2 / 3)
    assert quantity(summary, "copied_rows")["value"] == 10
    excess = quantity(summary, "f_mem_excess")
    assert excess["interval"] == "newcombe_clustered" and excess["value"] == pytest.approx(0.09)
    assert 0 < excess["low"] < 0.09 < excess["high"]


def test_gallery_shows_the_closest_samples_beside_their_rows():
    training_set = pictures(30, 0)
    samples = pictures(20, 1)[:]
    samples[13] = training_set[7]
    samples[4] = training_set[9] + 0.01
    table = only_samples(samples, training_set)
    shown = closest(samples, training_set, table, m=5)
    assert shown["samples"].shape == shown["neighbors"].shape == (5, 1, 6, 6)
    assert shown["samples"].dtype == np.uint8 and (np.diff(shown["ratio"]) >= 0).all()
    assert list(shown["sample"][:2]) == [13, 4] and list(shown["nearest"][:2]) == [7, 9]
    np.testing.assert_array_equal(shown["samples"][0], training_set.rows[7])
    np.testing.assert_array_equal(shown["neighbors"][:2], training_set.rows[[7, 9]])


def test_gallery_of_points_keeps_their_values():
    training_set = TrainingSet(gaussian(30, 2, 0))
    samples = gaussian(20, 2, 1)
    shown = closest(samples, training_set, only_samples(samples, training_set), m=32)
    assert shown["points"].shape == shown["neighbors"].shape == (20, 2)
    d = np.linalg.norm(shown["points"].astype(float) - shown["neighbors"], axis=1)
    np.testing.assert_allclose(d, shown["d1"], rtol=1e-10)


def test_samples_that_need_no_gradient_and_read_only_arrays_are_taken():
    training_set = TrainingSet(gaussian(30, 2, 0))
    frozen = gaussian(5, 2, 1)
    frozen.flags.writeable = False
    with_gradient = torch.from_numpy(frozen.copy()).requires_grad_()
    first, second = (only_samples(samples, training_set) for samples in (frozen, with_gradient))
    pd.testing.assert_frame_equal(first, second)


def test_name_is_the_registered_one():
    assert memorization.NAME == "memorization"

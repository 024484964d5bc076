"""Do the controls hold on real data, and which planted copies does the d1/d2 rule see in pixels?

Seen: exact copies, copies with noise, mirror images where these count as rows. Not seen in pixels: mirror images
otherwise, and copies shifted by a pixel, which need a feature space.
"""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.integrate import trapezoid

import fmdiag
from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.memorization.measure import control_size, measure
from fmdiag.diagnostics.memorization.rule import verdict
from fmdiag.diagnostics.memorization.summary import summarise
from fmdiag.diagnostics.memorization.sweep import roc, sweep

FASHION = Path("/usr/share/datasets/fashion-mnist")
SETS = ["digits", pytest.param("fashion-mnist", marks=[pytest.mark.realdata, pytest.mark.skipif(
    not FASHION.is_dir(), reason="needs the Debian package dataset-fashion-mnist")])]
SEEN = {"exact": True, "noise": True, "flipped": False, "shifted": False}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@functools.cache
def load(name):
    return fmdiag.load_dataset(name, **({"n": 2000} if name == "fashion-mnist" else {}))


def fresh(training_set, n=200):
    """Return (samples, held-out rows): disjoint rows that the training set does not have."""
    return training_set.held_out[:n], training_set.held_out[n : 2 * n]


def f_mem(summary, source="model", interval="exact"):
    rows = summary[(summary["quantity"] == "f_mem") & (summary["interval"] == interval)]
    return rows.set_index("source").loc[source]


@pytest.mark.parametrize("name", SETS)
def test_a_perfect_sampler_is_no_evidence_and_the_positive_control_is_complete(name):
    training_set = load(name)
    samples, held_out = fresh(training_set, 140)
    table = measure(samples, training_set, held_out=held_out, n_closed_form=16, n_steps=20, generator=generator())
    summary = summarise(table)
    assert f_mem(summary, "closed_form")["value"] == 1
    # In 64 and 784 dimensions a fresh draw passes with probability near 3^-m: none of 140, or one by a near-duplicate.
    assert f_mem(summary, "heldout")["value"] <= 0.01 and f_mem(summary)["value"] <= 0.01
    text = verdict(table).text
    assert text.startswith("No excess of copies found: ")
    assert " is excluded at 95 %" in text
    auc = summary[summary["quantity"] == "auc"].set_index("source")
    assert auc.loc["model", "low"] < 0.5 < auc.loc["model", "high"]
    assert auc.loc["closed_form", "value"] == 1


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("kind", SEEN)
def test_a_known_tenth_of_copies_is_recovered_where_pixels_see_them(name, kind):
    training_set = load(name)
    samples, held_out = (rows.clone() for rows in fresh(training_set, 140))
    source = training_set[np.random.default_rng(0).choice(training_set.n, 14, replace=False)]
    copies = {"exact": source, "noise": source + 0.02 * torch.randn(source.shape, generator=generator()),
              "flipped": source.flip(-1), "shifted": source.roll(1, -1)}[kind]
    samples[:14] = copies
    table = measure(samples, training_set, held_out=held_out, closed_form=False, generator=generator())
    summary = summarise(table)
    for interval in ("exact", "cluster_bootstrap"):
        if SEEN[kind]:
            row = f_mem(summary, interval=interval)
            assert row["low"] < 0.1 < row["high"] and row["value"] == pytest.approx(0.1, abs=0.01)
    if SEEN[kind]:
        assert verdict(table).text.startswith("Copies found: 10.") and "permuted labels" in verdict(table).text
    else:
        # Symmetric pictures, such as trousers, are their own mirror images: at most two of the 14.
        assert f_mem(summary)["value"] <= 0.02 and verdict(table).answer == "no excess found"
    if kind == "flipped":
        with_flips = summarise(measure(samples, training_set.with_hflip(), held_out=held_out, closed_form=False,
                                       generator=generator()))
        assert f_mem(with_flips)["value"] == pytest.approx(0.1, abs=0.01)


def test_where_a_third_of_fresh_draws_pass_the_rule_the_verdict_is_no_evidence():
    """Gaussian numbers: 3^-1 of fresh draws pass (derived), and û* all; the null settles it.

    12 repetitions: the verdict errs with probability at most 0.025, so more than 3 false ones have probability 2e-4.
    """
    wrong, shares = 0, []
    for k in range(12):
        draws = np.random.default_rng([5, k]).normal(size=(1000, 1)).astype(np.float32)
        training_set = TrainingSet(draws[:500])
        table = measure(draws[500:700], training_set, held_out=draws[700:], generator=generator(k), n_steps=5,
                        n_closed_form=16, **({"closed_form": False} if k else {}))
        summary = summarise(table)
        shares.append(f_mem(summary)["value"])
        assert k or f_mem(summary, "closed_form")["value"] == 1
        wrong += verdict(table).answer == "copies found"
    assert wrong <= 3
    # 2 400 draws, binomial given the rows: standard error 0.0096; the null's drift at n = 500 is below 0.01.
    assert np.mean(shares) == pytest.approx(1 / 3, abs=0.04)


def test_p_values_are_corrected_for_feature_spaces():
    """8 of 100 against 1 of 100: one-sided p 0.017, at three quarters of the error; evidence alone, none among four."""
    def table(feature):
        ratio = {"model": np.where(np.arange(100) < 8, 0.1, 0.9), "heldout": np.where(np.arange(100) < 1, 0.1, 0.9)}
        return pd.concat([pd.DataFrame({
            "source": source, "sample": np.arange(100), "nearest": np.arange(100), "d1": values, "d2": 1.0,
            "ratio": values, "memorized": values < 1 / 3, "feature": feature, "threshold": 1 / 3})
            for source, values in ratio.items()])
    alone = summarise(table("pixels"))
    assert alone.set_index("quantity").loc["p_value", "value"] == pytest.approx(4 / 3 * 0.0174, abs=1e-3)
    assert verdict(table("pixels")).answer == "copies found"
    several = verdict(pd.concat([table(f"f{k}") for k in range(4)]))
    assert "over 4 feature spaces" in several.text and several.answer == "undecided"


def test_sweep_and_roc_of_a_known_table():
    values = {"model": [0.1, 0.2, 0.6, 0.8], "heldout": [0.5, 0.7, 0.9, 0.95], "closed_form": [0.0, 0.0]}
    table = pd.concat([pd.DataFrame({"source": s, "ratio": v, "nearest": range(len(v)), "feature": "pixels",
                                     "threshold": 1 / 3, "memorized": np.array(v) < 1 / 3})
                       for s, v in values.items()])
    swept = sweep(table, thresholds=[0.2, 0.65])
    model = swept[swept["source"] == "model"]
    assert model["f_mem"].tolist() == [0.25, 0.75]              # strict: 0.2 is not below 0.2
    assert model["excess"].tolist() == [0.25, 0.5] and (model["excess_low"] < model["excess"]).all()
    assert swept.loc[swept["source"] == "closed_form", "f_mem"].tolist() == [1, 1]
    assert swept.loc[swept["source"] != "model", "excess"].isna().all()
    curve = roc(table)
    area = trapezoid(*(curve.loc[curve["source"] == "model", c] for c in ("tpr", "fpr")))
    assert area == pytest.approx(13 / 16)                        # 13 of the 16 pairs are in order
    no_null = table[table["source"] != "heldout"]
    assert roc(no_null).empty and sweep(no_null)["excess"].isna().all()


@pytest.mark.parametrize(("n_rows", "n"), [(10, 64), (10**6, 64), (2 * 10**6, 32), (10**7, 16), (10**9, 16)])
def test_the_positive_control_is_smaller_where_rows_are_very_many(n_rows, n):
    assert control_size(n_rows) == n

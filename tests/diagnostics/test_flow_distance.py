"""Probability flow distance of models from û* and from each other: limits, anchors at equal numbers, features."""

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag import ClosedFormField
from fmdiag.diagnostics.agreement import flow_distance as between
from fmdiag.diagnostics.hybrid import flow_distance
from fmdiag.diagnostics.hybrid.measure import sample_hybrids
from fmdiag.diagnostics.points.flow_distance import distances, summarise
from fmdiag.sampling import draw_noise

DIGITS = fmdiag.load_dataset("digits", n=40)


def generator():
    return torch.Generator().manual_seed(0)


def measured(field, train=DIGITS, features=("pixels",)):
    samples = sample_hybrids(field, train, taus=[0, 1], n_samples=12, generator=generator())
    table = flow_distance.measure(samples, draw_noise(12, train.shape, generator=generator()), train, features=features)
    return samples, table, summarise("hybrid", table).set_index(["feature", "maps"])["value"]


def population(x, t):
    """Return the optimal field of N(0, I) data, which maps every noise to itself."""
    t = t.reshape(-1, 1, 1, 1)
    return x * (2 * t - 1) / ((1 - t) ** 2 + t**2)


def test_u_star_as_the_model_has_distance_zero_and_the_resampled_anchor():
    """û* of all 40 examples; as many held-out ones exist, so that the equal training set is the whole one."""
    _, _, found = measured(ClosedFormField(DIGITS))
    assert found["pixels", "closed_form"] < 1e-5 and found["pixels", "equal_train"] < 1e-5
    assert found["pixels", "equal_heldout"] == pytest.approx(found["pixels", "resampled"], rel=1e-5)
    assert found["pixels", "resampled"] > 1


def test_distances_by_brute_force_in_pixels_and_in_a_feature():
    def half(images):
        return images.flatten(1)[:, :32]

    half.name = "half"
    samples, table, found = measured(population, features=("pixels", half))
    noise = draw_noise(12, DIGITS.shape, generator=generator())
    closed = fmdiag.sample(ClosedFormField(DIGITS), noise)
    for feature, columns in (("pixels", slice(None)), ("half", slice(32))):
        apart = (samples[0.0] - closed).double().flatten(1)[:, columns]
        assert found[feature, "closed_form"] == pytest.approx(apart.square().sum(1).mean().sqrt().item(), rel=1e-5)
    assert set(table["maps"]) == set(flow_distance.PAIRS) and len(table) == 2 * 5 * 12


def test_without_held_out_examples_or_both_ends_there_are_no_anchors():
    alone = fmdiag.TrainingSet(DIGITS.rows, divisor=8.0, shift=-1.0)
    _, table, _ = measured(population, alone)
    assert set(table["maps"]) == {"closed_form", "other_noise"}
    assert flow_distance.measure({0.0: None, 0.5: None}, None, alone) is None


def test_noises_that_diverge_under_a_map_are_left_out():
    ends = {"a": torch.zeros(4, 1, 8, 8), "b": torch.ones(4, 1, 8, 8)}
    ends["b"][2] = torch.nan
    table = distances(ends, {"both": ("a", "b")}, DIGITS)
    assert table["sample"].tolist() == [0, 1, 3] and np.allclose(table["distance"], 8)


def test_two_models_that_memorise_are_as_far_apart_as_their_closed_forms():
    halves = DIGITS.chosen(np.arange(0, 40, 2)), DIGITS.chosen(np.arange(1, 40, 2))
    noise = draw_noise(12, DIGITS.shape, generator=generator())
    samples = [fmdiag.sample(ClosedFormField(rows), noise) for rows in halves]
    found = summarise("agreement", between.measure(samples, noise, halves)).set_index("maps")["value"]
    assert found["closed_form_a"] == found["closed_form_b"] == 0
    assert found["models"] == found["resampled"] > 1
    same = summarise("agreement", between.measure([noise, noise], noise, halves)).set_index("maps")["value"]
    assert same["models"] == 0 < same["other_noise"]


def test_a_run_holds_the_distances_and_draws_them(tmp_path):
    run = fmdiag.Run(field=population, train=DIGITS)
    result = run.hybrid(n_samples=6, n_steps=10, features=("pixels", "pca"), pca_components=4)
    rows = result.summary[result.summary["quantity"] == "pfd"]
    assert len(rows) == 10 and (rows["low"] <= rows["value"]).all() and (rows["value"] <= rows["high"]).all()
    table = result.tables["hybrid_pfd"]
    part = table[(table["feature"] == "pca") & (table["maps"] == "closed_form")]
    np.testing.assert_allclose(rows.set_index(["feature", "maps"]).loc[("pca", "closed_form"), "value"],
                               np.sqrt(np.square(part["distance"]).mean()), rtol=1e-12)
    assert pd.notna(rows["definition"]).all() and result.plot("hybrid_pfd") is not None

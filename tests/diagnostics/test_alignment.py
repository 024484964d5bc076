"""Alignment of û* with x1 - x0: exact cases, the papers' transition, and its independence of how it is computed."""

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.alignment import measure as alignment
from fmdiag.diagnostics.alignment.transitions import (
    collapse_time,
    crossing_interval,
    crossing_time,
    data_std,
    speciation_time,
    top_eigenvalue,
)
from fmdiag.errors import FmdiagError


def gaussian_set(n, dim, scale=1.0, seed=0):
    return TrainingSet((np.random.default_rng(seed).normal(size=(n, dim)) * scale).astype(np.float32))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_one_row_is_aligned_at_every_time():
    table = alignment.measure(gaussian_set(1, 4), times=[0.0, 0.5, 0.99], n_pairs=20, generator=generator())
    assert table["cosine"].min() > 1 - 1e-9
    # Few dimensions are summed in float32: its rounding is 6e-8 per log-weight.
    np.testing.assert_allclose(table["source_weight"], 1, rtol=1e-6)
    np.testing.assert_allclose(table["ess"], 1, rtol=1e-6)


def test_two_duplicates_are_aligned_but_share_the_weight():
    data = TrainingSet(np.ones((2, 3), np.float32))
    table = alignment.measure(data, times=[0.3, 0.9], n_pairs=20, generator=generator())
    np.testing.assert_allclose(table["cosine"], 1)
    np.testing.assert_allclose(table["source_weight"], 0.5, rtol=1e-6)
    np.testing.assert_allclose(table["entropy"], 1, rtol=1e-6)


def test_at_time_zero_the_field_points_at_the_mean():
    data = gaussian_set(50, 3)
    table = alignment.measure(data, times=[0.0], n_pairs=30, generator=generator())
    np.testing.assert_allclose(table["source_weight"], 1 / 50, rtol=1e-6)
    np.testing.assert_allclose(table["ess"], 50, rtol=1e-6)
    from fmdiag.diagnostics.points.pairs import draw_pairs

    pairs = draw_pairs(data, 30, generator=generator())
    expected = torch.nn.functional.cosine_similarity(data[:].mean(0) - pairs.x0, pairs.x1 - pairs.x0)
    np.testing.assert_allclose(table["cosine"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("n", "dim", "std", "expected"), [
    (2000, 64, 1.0, 0.341), (2000, 256, 1.0, 0.198), (2000, 1024, 1.0, 0.109), (8000, 3072, 0.5, 0.133)])
def test_collapse_time_of_gaussian_data(n, dim, std, expected):
    """Values of the closed formula; the measured crossing of 1/2 lies within 0.02 of them."""
    assert collapse_time(n, dim, std) == pytest.approx(expected, abs=6e-4)
    if dim > 256:
        return
    data = gaussian_set(n, dim, std)
    times = np.round(np.linspace(expected - 0.06, expected + 0.06, 13), 3)
    table = alignment.measure(data, times=times, n_pairs=512, generator=generator())
    rows = alignment.summarise(table)
    measured = rows.loc[rows["quantity"] == "collapse_time_measured", "value"].item()
    # 512 weights between 0 and 1 have a mean within 0.5 / sqrt(512) = 0.02; the curve's slope is about 10 per unit t.
    assert measured == pytest.approx(expected, abs=0.025)


def test_transition_moves_earlier_and_sharpens_with_dimension():
    shares = []
    for dim in (4, 64, 1024):
        table = alignment.measure(gaussian_set(500, dim), n_pairs=128, times=np.linspace(0.05, 0.95, 19),
                                  generator=generator())
        shares.append(table.groupby("t")["source_weight"].mean())
    reached = [crossing_time(s.index, s) for s in shares]
    width = [crossing_time(s.index, s, 0.8) - crossing_time(s.index, s, 0.2) for s in shares]
    assert reached[0] > reached[1] > reached[2]
    assert width[0] > width[1] > width[2]
    assert (shares[2].loc[0.5:] > 0.999).all()


def test_blocks_memory_and_row_types_change_only_rounding():
    data = gaussian_set(300, 5)
    reference = alignment.measure(data, times=[0.2, 0.7], n_pairs=40, generator=generator())
    variant = alignment.measure(data, times=[0.2, 0.7], n_pairs=40, memory=10_000, generator=generator())
    # With memory, few dimensions are summed in float32: a mean of 300 rows is off by 1e-6, and û* by that / (1 - t).
    np.testing.assert_allclose(variant["cosine"], reference["cosine"], atol=1e-5)


def test_summary_counts_pairs_and_brackets_its_values():
    table = alignment.measure(gaussian_set(100, 8), times=[0.1, 0.5, 0.9], n_pairs=64, generator=generator())
    rows = alignment.summarise(table)
    curves = rows[rows["t"].notna()]
    assert (curves["n"] == 64).all()
    assert ((curves["low"] <= curves["value"]) & (curves["value"] <= curves["high"])).all()
    share = rows[(rows["quantity"] == "share_above_0.9") & (rows["t"] == 0.9)]
    assert share["value"].item() == (table.loc[table["t"] == 0.9, "cosine"] > 0.9).mean()


def test_moments_of_known_data():
    data = gaussian_set(1500, 3, 2.0)
    rows = data[:].double()
    assert data_std(data) == pytest.approx(rows.var(0, correction=0).mean().sqrt().item(), rel=1e-9)
    assert top_eigenvalue(data) == pytest.approx(torch.linalg.eigvalsh(torch.cov(rows.T))[-1].item(), rel=1e-9)
    assert speciation_time(1.0) == 0.5
    assert np.isnan(crossing_time([0.1, 0.2], [0.0, 0.1]))


@pytest.mark.parametrize("arguments", [{"times": [1.0]}, {"times": []}, {"times": [-0.1]}, {"n_pairs": 0}])
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(FmdiagError):
        alignment.measure(gaussian_set(5, 2), generator=generator(), **arguments)


@pytest.mark.parametrize(("times", "note", "bounds"), [
    ([0.8, 0.9], "before t = 0.8, the first time asked", (0, 0.8)), ([0.01, 0.02], "give later --times", None)])
def test_fault_2_13_a_collapse_outside_the_times_asked_says_so(times, note, bounds):
    rows = alignment.summarise(alignment.measure(gaussian_set(200, 16), times=times, n_pairs=32, generator=generator()))
    row = rows[rows["quantity"] == "collapse_time_measured"].iloc[0]
    assert np.isnan(row["value"]) and row["note"].endswith(note)
    assert (row["low"], row["high"]) == bounds if bounds else np.isnan([row["low"], row["high"]]).all()


@pytest.mark.parametrize(("rows", "note"), [
    (np.repeat(np.random.default_rng(0).normal(size=(40, 6)), 3, axis=0), "100% of the source rows occur more"),
    (np.ones((30, 6)), "all training examples are equal")])
def test_fault_2_13_duplicates_and_constant_rows_have_a_reason(rows, note):
    data = TrainingSet(rows.astype(np.float32))
    summary = alignment.summarise(alignment.measure(data, times=[0.5, 0.9], n_pairs=16, generator=generator()))
    row = summary[summary["quantity"] == "collapse_time_measured"].iloc[0]
    assert np.isnan(row["value"]) and note in row["note"]


def test_fault_2_13_an_interval_is_open_where_its_band_crosses_outside_the_times():
    t = [0.2, 0.4, 0.6]
    assert crossing_interval(t, [0.3, 0.6, 0.9], [0.1, 0.2, 0.4], [0.55, 0.8, 1.0]) == pytest.approx((1 / 3, 0, 1))
    assert crossing_interval(t, [0.3, 0.7, 0.9], [0.1, 0.5, 0.8], [0.4, 0.9, 1.0]) == pytest.approx((0.3, 0.24, 0.4))

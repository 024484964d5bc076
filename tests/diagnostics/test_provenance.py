"""Provenance: weights are the posterior's, basins of û* agree with themselves, and planted copies are ranked."""

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag import ClosedFormField, TrainingSet
from fmdiag.diagnostics.memorization import copied
from fmdiag.diagnostics.memorization import measure as memorization
from fmdiag.diagnostics.provenance import basins
from fmdiag.diagnostics.provenance.measure import OTHERS, measure, pictures, row_weights, summarise
from fmdiag.errors import FmdiagError
from fmdiag.stats import mean_interval

DIGITS = fmdiag.load_dataset("digits", n=60)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_weights_are_those_of_a_dense_softmax():
    """float64 by brute force over all rows, duplicates added up."""
    rows = DIGITS.rows.copy()
    rows[9] = rows[4]
    train = TrainingSet(rows, divisor=8.0, shift=-1.0)
    times = [0.0, 0.3, 0.9]
    states = torch.stack([(1 - t) * torch.randn(3, 1, 8, 8, generator=generator()) + t * train[[4, 5, 6]]
                          for t in times])
    tables = row_weights(ClosedFormField(train), states, times, n_rows=20)
    points = train[:].double().flatten(1)
    for b, table in enumerate(tables):
        for k, t in enumerate(times):
            logs = -(states[k, b].double().flatten() - t * points).square().sum(1) / (2 * (1 - t) ** 2)
            exact = torch.softmax(logs, 0).numpy()
            exact[4] += exact[9]
            part = table[(table["t"] == t) & (table["row"] != OTHERS)]
            assert 9 not in set(part["row"])
            np.testing.assert_allclose(part["weight"], exact[part["row"]], rtol=1e-9, atol=1e-14)
            assert part["n_copies"].eq(np.where(part["row"] == 4, 2, 1)).all()


def test_the_largest_weight_is_the_posteriors():
    table = measure(lambda x, t: -x, DIGITS, samples=[2, 0], times=[0.2, 0.6], generator=generator())
    assert list(table["sample"].unique()) == [2, 0]
    assert table.groupby(["source", "sample", "t"])["weight"].sum().sub(1).abs().max() < 1e-12
    from fmdiag.sampling import draw_noise, trajectory

    u_star = ClosedFormField(DIGITS)
    grid, states = trajectory(u_star, draw_noise(3, DIGITS.shape, generator=generator()), times=[0.2, 0.6])
    for t in (0.2, 0.6):
        found = u_star.posterior(states[grid.index(t)], t)
        for sample in (0, 2):
            part = table[(table["source"] == "closed_form") & (table["sample"] == sample) & (table["t"] == t)
                         & (table["row"] != OTHERS)]
            best = part.loc[part["weight"].idxmax()]
            assert best["weight"] == pytest.approx(found.top_weight[sample].item(), rel=1e-6)
            assert best["row"] == found.top_row[sample]


def test_u_star_as_the_field_has_its_own_provenance_and_basins():
    u_star = ClosedFormField(DIGITS)
    table = measure(u_star, DIGITS, samples=3, generator=generator())
    wide = table.pivot(index=["sample", "t", "row"], columns="source", values="weight").fillna(0)
    np.testing.assert_allclose(wide["model"], wide["closed_form"], atol=1e-6)
    summary = summarise(table)
    assert summary.loc[summary["t"] == 0.99, "value"].min() > 0.999
    found = basins.measure(u_star, DIGITS, n_samples=40, generator=generator())
    rows = basins.summarise(found).set_index("quantity")
    assert rows.loc["same_row", "value"] == 1 and rows.loc["basin_divergence", "value"] == 0
    masses = basins.masses(found)
    assert masses["model"].sum() == pytest.approx(1) and masses["model"].is_monotonic_decreasing
    assert ((masses["model_low"] <= masses["model"]) & (masses["model"] <= masses["model_high"])).all()


def test_divergence_without_a_common_row_and_by_hand():
    assert basins.divergence(np.zeros(9), np.ones(9))[0] == 1
    assert np.isnan(basins.divergence(np.arange(5), np.arange(5) + 10)).all()

    a, b = np.array([0, 0, 1]), np.array([0, 1, 1])
    across = sum(a[i] == b[j] for i in range(3) for j in range(3) if i != j)
    within = sum((a[i] == a[j]) + (b[i] == b[j]) for i in range(3) for j in range(3) if i != j)
    assert basins.divergence(a, b)[0] == pytest.approx(1 - 2 * across / within)


def test_the_divergence_of_equal_laws_is_zero_on_average_and_its_interval_covers():
    """Independent draws from one law over 30 rows: unbiased up to the ratio's O(1/n), standard error 0.02."""
    rng, law = np.random.default_rng(0), np.random.default_rng(1).dirichlet(np.ones(30))
    found = np.array([basins.divergence(*rng.choice(30, (2, 200), p=law)) for _ in range(100)])
    assert abs(found[:, 0].mean()) < 0.02
    assert np.mean((found[:, 1] <= 0) & (0 <= found[:, 2])) > 0.88


def test_planted_copies_are_ranked_with_their_duplicates():
    rows = np.concatenate([DIGITS.rows, DIGITS.rows[:1], DIGITS.rows[:1]])
    train = TrainingSet(rows, divisor=8.0, shift=-1.0, held_out_source=DIGITS.held_out)
    samples = torch.cat([train[[0] * 5 + [7] * 3 + [20]], DIGITS.held_out[:11]])
    table = memorization.measure(samples, train, n_closed_form=2, generator=generator())
    found = copied.measure(table, train)
    assert found["row"].tolist() == [0, 7, 20] and found["n_copied"].tolist() == [5, 3, 1]
    assert found["duplicates"].tolist() == ["60;61", "", ""] and found["n_duplicates"].tolist() == [2, 0, 0]
    assert found.loc[0, "share"] == 5 / 20 and found.loc[0, "low"] < 0.25 < found.loc[0, "high"]
    assert copied.pictures(found, train)["copied_images"].shape == (3, 1, 8, 8)
    nothing = copied.measure(table[~table["memorized"]], train)
    assert len(nothing) == 0 and copied.pictures(nothing, train) == {}


def test_pictures_of_images_and_of_points():
    table = measure(lambda x, t: -x, DIGITS, samples=2, times=[0.5], generator=generator())
    ends = {"model": torch.zeros(2, 1, 8, 8), "closed_form": DIGITS[:2]}
    arrays = pictures(table, ends, DIGITS)
    assert arrays["row_images"].shape[0] == len(arrays["rows"]) and arrays["model_images"].dtype == np.uint8
    moons = fmdiag.load_dataset("two-moons", n=30)
    table = measure(lambda x, t: -x, moons, samples=2, times=[0.5], generator=generator())
    assert set(pictures(table, {}, moons)) == {"rows", "samples"}


def population(x, t):
    """Return the optimal field of N(0, I) data on the linear path: it maps every noise to itself."""
    t = t.reshape(-1, *[1] * (x.ndim - 1)).to(x)
    return x * (2 * t - 1) / ((1 - t) ** 2 + t**2)


def gaussian(seed, n=60, dim=4):
    points = np.random.default_rng(seed).normal(size=(2 * n, dim)).astype(np.float32)
    return TrainingSet(points[:n], held_out_source=TrainingSet(points[n:]))


def test_the_same_row_is_read_beside_held_out_rows():
    """A field that knows the distribution only leads a third or more to the row of û*, of held-out rows too.

    10 pairs of sets: P[4 or more intervals miss 0] = .1 % at 5 % each; û* itself is found.
    """
    missed, shares = 0, []
    for seed in range(10):
        found = basins.measure(population, gaussian(seed), n_samples=80, n_steps=5, generator=generator(seed))
        rows = basins.summarise(found).set_index("quantity")
        shares.append(rows.loc["same_row", "value"])
        missed += not rows.loc["same_row_excess", "low"] <= 0 <= rows.loc["same_row_excess", "high"]
    assert missed < 4 and np.mean(shares) > 0.3
    train = gaussian(0, dim=16)
    table = basins.measure(ClosedFormField(train), train, n_samples=600, n_steps=5, generator=generator())
    rows = basins.summarise(table).set_index("quantity")
    assert rows.loc["same_row", "value"] == 1 and rows.loc["same_row_excess", "low"] > 0
    alone = TrainingSet(train.rows)
    found = basins.summarise(basins.measure(population, alone, n_samples=9, n_steps=4, generator=generator()))
    assert set(found["quantity"]) == {"same_row", "basin_divergence"}


def test_what_is_said_of_the_model_does_not_depend_on_which_samples_are_shown():
    run = {"n_samples": 6, "n_noises": 8, "n_steps": 4}
    shown = [fmdiag.Run(field=population, train=gaussian(0)).provenance(sample_numbers=numbers, **run)
             for numbers in ((0, 1), (5, 7))]
    assert [result.table["sample"].unique().tolist() for result in shown] == [[0, 1], [5, 7]]
    pd.testing.assert_frame_equal(shown[0].summary, shown[1].summary)
    assert (shown[0].summary.query("quantity == 'top_weight'")["n"] == 6).all()


def test_intervals_of_the_largest_weight_stay_among_weights():
    """One low weight among seven of 1: Student's interval would end above 1."""
    weights = [1.0] * 7 + [0.4]
    table = pd.DataFrame([{"source": "model", "sample": k, "t": 0.5, "row": row, "n_copies": 1, "weight": weight}
                          for k, top in enumerate(weights) for row, weight in ((3, top), (OTHERS, 1 - top))])
    found = summarise(table).iloc[0]
    assert mean_interval(weights)[2] > 1
    assert found["interval"] == "bounded" and found["n"] == 8
    assert found["value"] == pytest.approx(np.mean(weights)) and 0 < found["low"] < found["value"] < 1
    assert found["value"] < found["high"] <= 1
    one = summarise(table[table["sample"] == 7]).iloc[0]
    assert one["value"] == 0.4 and np.isnan(one["low"])


@pytest.mark.parametrize("samples", [0, [], [-1]])
def test_no_sample_is_refused(samples):
    with pytest.raises(FmdiagError, match="samples must be"):
        measure(lambda x, t: x, DIGITS, samples=samples, generator=generator())

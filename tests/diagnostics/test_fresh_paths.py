"""Collapse along fresh noise paths: a closed form, the posterior by brute force, left-out sources, and its limits."""

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag import TrainingSet
from fmdiag.diagnostics.alignment import fresh, fresh_sums
from fmdiag.paths import path_from_description
from fmdiag.sampling import draw_noise

DIGITS = fmdiag.load_dataset("digits", n=60)
TIMES = [0.0, 0.2, 0.5, 0.9, 0.99]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def dense(rows, x, t, alpha, sigma, left_out=None):
    """Return (ess, largest weight) of one point in float64, over all rows at once."""
    logs = -(x - alpha * rows).square().sum(1) / (2 * sigma**2)
    if left_out is not None:
        logs[left_out] = -torch.inf
    weights = torch.softmax(logs, 0)
    return 1 / weights.square().sum().item(), weights.max().item()


def test_two_points_and_a_held_out_example_between_them():
    """X = ±m, z = 0: the log-weights differ by 2 s m x0, s = t / (1 - t)."""
    between = TrainingSet(np.zeros((3, 1), np.float32))
    train = TrainingSet(np.array([[1.5], [-1.5]], np.float32), held_out_source=between)
    table = fresh.measure(train, times=[0.0, 0.3, 0.7], n_paths=20, generator=generator())
    g = generator()
    torch.randint(3, (20,), generator=g)
    x0 = draw_noise(20, (1,), generator=g).double().numpy().ravel()
    for t, part in table.groupby("t"):
        ratio = np.exp(2 * t / (1 - t) * 1.5 * np.abs(x0))
        np.testing.assert_allclose(part["max_weight"], ratio / (1 + ratio), rtol=1e-10)
        np.testing.assert_allclose(part["ess"], (1 + ratio) ** 2 / (1 + ratio**2), rtol=1e-10)
    assert set(table["end"]) == {"heldout"}


@pytest.mark.parametrize("path", ["linear", "vp"])
@pytest.mark.parametrize("entries", [1, 1 << 21])
def test_the_posterior_of_fresh_states_by_brute_force(path, entries, monkeypatch):
    """Held-out ends, in blocks of one row and at once."""
    monkeypatch.setattr(fresh_sums, "ENTRIES", entries)
    schedule = path_from_description({"name": path})
    table = fresh.measure(DIGITS, times=TIMES, n_paths=6, path=schedule, generator=generator())
    g = generator()
    z = DIGITS.unseen[torch.randint(DIGITS.unseen.n, (6,), generator=g).numpy()].double()
    x0, rows = draw_noise(6, DIGITS.shape, generator=g).double(), DIGITS[:].double().flatten(1)
    for one in table.itertuples():
        t = torch.tensor(one.t, dtype=torch.float64)
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        x = (alpha * z[one.path] + sigma * x0[one.path]).flatten()
        np.testing.assert_allclose((one.ess, one.max_weight), dense(rows, x, t, alpha, sigma), rtol=1e-8)


def test_without_held_out_examples_the_source_its_copies_and_its_mirror_image_are_left_out():
    rows = DIGITS.rows[:8].copy()
    rows[5] = rows[2]
    train = TrainingSet(rows, divisor=8.0, shift=-1.0, hflip=True)
    table = fresh.measure(train, times=[0.3, 0.9], n_paths=16, generator=generator())
    g = generator()
    own = torch.randint(16, (16,), generator=g)
    x0, points = draw_noise(16, train.shape, generator=g).double(), train[:].double().flatten(1)
    for one in table.itertuples():
        source = int(own[one.path])
        pair = {2, 5} if source % 8 in (2, 5) else {source % 8}
        # Of a row that occurs twice, the copy in the same orientation is equal; its own mirror image is its own.
        gone = [k for k in range(16) if k % 8 == source % 8 or (k % 8 in pair and k // 8 == source // 8)]
        x = (one.t * points[source] + (1 - one.t) * x0[one.path].flatten())
        np.testing.assert_allclose(one.ess, dense(points, x, one.t, one.t, 1 - one.t, gone)[0], rtol=1e-8)
    assert set(table["end"]) == {"left_out"} and set(own.tolist()) & {2, 5}


def test_one_example_leaves_no_fresh_path():
    alone = TrainingSet(np.ones((1, 3), np.float32))
    assert fresh.measure(alone, times=[0.5], n_paths=4, generator=generator()).empty
    result = fmdiag.Run(train=alone).alignment(n_pairs=4, n_fresh=4)
    assert "collapse_time_fresh" not in set(result.summary["quantity"])


def raw(weights, ess=None):
    """Return a raw table of given largest weights (and sizes): {t: values}."""
    return pd.concat([pd.DataFrame({"dim": 4, "n": 100, "t": t, "pair": range(len(w)), "path": range(len(w)),
                                    "max_weight": w, "ess": 1.0 if ess is None else ess[t]})
                      for t, w in weights.items()], ignore_index=True)


def test_times_of_known_curves():
    """The mean logarithm is linear between ln 4 and ln 1: 2 at the middle; medians .8 and 1 reach .9 at the middle."""
    table = raw({0.2: [0.8] * 9, 0.4: [1.0] * 9}, {0.2: 4.0, 0.4: 1.0})
    rows = fresh.summarise("alignment", table, table).set_index("quantity")
    assert rows.loc["collapse_time_fresh", "value"] == pytest.approx(0.3)
    assert rows.loc["stage_boundary", "value"] == pytest.approx(0.3) == rows.loc["stage_boundary_fresh", "value"]
    assert rows.loc["collapse_time_fresh", "threshold"] == 2 and rows.loc["stage_boundary", "threshold"] == 0.9
    late = fresh.summarise("alignment", table[:0], raw({0.2: [0.5] * 9, 0.4: [0.6] * 9}))
    assert np.isnan(late["value"].item()) and late["note"].item() == "not reached by t = 0.4"


def test_the_interval_of_the_boundary_holds_the_true_time():
    """Largest weights t + noise of median 0: the median reaches .9 at t = .9; 5 % of 200 miss, P[20 or more] = .3 %."""
    rng, missed = np.random.default_rng(0), 0
    for _ in range(200):
        table = raw({t: t + 0.1 * rng.standard_t(3, 25) for t in np.round(np.linspace(0.7, 1, 7), 3)})
        found = fresh.summarise("alignment", table[:0], table).iloc[0]
        missed += not found["low"] <= 0.9 <= found["high"]
    assert missed < 20


def test_gaussian_data_condenses_from_the_isotropic_time_on_and_a_run_keeps_both():
    """500 rows in 256 dimensions: more than ten count well before t_C = .18, and few after it.

    The condensed phase of a random energy model has sum lambda² = 1 - s_C / s on average, 1/2 at s = 2 s_C: t = .3.
    """
    points = np.random.default_rng(0).normal(size=(600, 256)).astype(np.float32)
    train = TrainingSet(points[:500], held_out_source=TrainingSet(points[500:]))
    times = tuple(np.round(np.linspace(0.1, 0.5, 17), 3))
    result = fmdiag.Run(train=train).alignment(n_pairs=8, n_fresh=64, times=times)
    found = result.summary.set_index("quantity")
    predicted, row = found.loc["collapse_time_predicted"], found.loc["collapse_time_fresh"]
    assert predicted["value"] < row["low"] < row["value"] < row["high"] and row["value"] == pytest.approx(0.3, abs=0.06)
    assert "comparison" in predicted["note"] and len(result.tables["alignment_fresh"]) == 17 * 64
    curve = found.loc["ess_fresh"].set_index("t")["value"]
    assert curve[0.1] > 10 > curve[0.5]

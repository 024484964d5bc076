"""Membership: a field that knows nothing scores 1/2, û* itself scores 1, and held-out rows that leaked are named."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from checks.calibration.membership import CASES, FAMILIES
from fmdiag import ClosedFormField, TrainingSet
from fmdiag.diagnostics.membership import energy
from fmdiag.diagnostics.membership import excess_alignment as excess
from fmdiag.diagnostics.membership.measure import measure, scores, summarise
from fmdiag.errors import FmdiagError, FmdiagWarning

DIGITS = fmdiag.load_dataset("digits", n=100)
SMALL = {"times": [0.2, 0.5, 0.8], "n_images": 60, "n_noises": 3}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def constant(x, t):
    return torch.full_like(x, 0.3)


def population(x, t):
    """Return the optimal field of N(0, I) data on the linear path."""
    t = t.reshape(-1, *[1] * (x.ndim - 1)).to(x)
    return x * (2 * t - 1) / ((1 - t) ** 2 + t**2)


def rows_of(summary, quantity, **keys):
    rows = summary[summary["quantity"] == quantity]
    for name, value in keys.items():
        rows = rows[rows[name] == value]
    return rows


@pytest.mark.parametrize("field", [constant, population])
def test_a_field_that_knows_nothing_scores_a_half(field):
    summary = summarise(measure(field, DIGITS, **SMALL, generator=generator()))
    overall = rows_of(summary, "auc_overall")
    assert set(overall["score"]) == {"loss", "error", "pull"}
    assert ((overall["low"] <= 0.5) & (0.5 <= overall["high"])).all()
    table = excess.summarise(excess.measure(field, DIGITS, **SMALL, generator=generator()))
    row = rows_of(table, "excess_alignment_overall").iloc[0]
    # Within 3 standard errors; Student's half width at 19 degrees of freedom is 2.09 of them.
    assert abs(row["value"]) < 3 * (row["high"] - row["low"]) / 2 / 2.09


def test_the_null_of_the_excess_has_its_level():
    """12 pairs of sets: P[4 or more intervals miss 0] is 0.2 % at 5 % each, 2 % at 10 %."""
    missed = 0
    for seed in range(12):
        points = np.random.default_rng(seed).standard_normal((60, 6)).astype(np.float32)
        train = TrainingSet(points[:30], held_out_source=TrainingSet(points[30:]))
        table = excess.measure(population, train, times=[0.3, 0.7], n_noises=2, generator=generator(seed))
        row = rows_of(excess.summarise(table), "excess_alignment_overall").iloc[0]
        missed += not row["low"] <= 0 <= row["high"]
    assert missed < 4


def test_the_null_has_its_level_over_many_training_sets():
    """25 pairs of sets from N(0, I): P[10 or more of 75 intervals miss 1/2] < 1 % at 5 % each if independent.

    Three scores of one draw are dependent, so the mean AUC is bounded too: standard error 0.075 / sqrt(25).
    """
    missed, areas, p_values = [], [], []
    for seed in range(25):
        points = np.random.default_rng(seed).standard_normal((60, 6)).astype(np.float32)
        train = TrainingSet(points[:30], held_out_source=TrainingSet(points[30:]))
        summary = summarise(measure(population, train, times=[0.3, 0.7], n_noises=2, generator=generator(seed)))
        overall = rows_of(summary, "auc_overall", interval="newcombe")
        missed.append(((overall["low"] > 0.5) | (overall["high"] < 0.5)).sum())
        areas.append(overall["value"].mean())
        p_values += rows_of(summary, "auc_p")["value"].tolist()
    assert sum(missed) < 10
    assert abs(np.mean(areas) - 0.5) < 0.045
    assert np.mean(np.array(p_values) < 0.05) < 0.12


def test_groups_give_one_image_each():
    points = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    names = tuple(map(str, range(24)))
    train = TrainingSet(points[:24], groups=np.arange(24) // 2, group_names=names)
    held_out = TrainingSet(points[24:], groups=12 + np.arange(16) // 2, group_names=names)
    table = measure(constant, train, held_out=held_out, times=[0.5], n_noises=1, generator=generator())
    for _, found in table.groupby("source"):
        assert len(found) == 8 == len(set(found["row"] // 2))


def test_where_all_content_recurs_nothing_is_judged():
    """Two bits have four values: no row occurs once but the last."""
    bits = np.float32(np.random.default_rng(0).integers(2, size=(60, 2)))
    bits[-1] = 7
    train = TrainingSet(bits[:40], held_out_source=TrainingSet(bits[40:]))
    with pytest.raises(FmdiagError, match="40 of 40 training and 19 of 20 held-out examples have content that recurs "
                                          ""), \
            warnings.catch_warnings():
        warnings.simplefilter("ignore", FmdiagWarning)
        measure(constant, train, generator=generator())


def test_a_run_without_images_to_compare_says_so_and_goes_on():
    train = TrainingSet(DIGITS.rows[:20], held_out_source=TrainingSet(DIGITS.rows[20:24]))
    result = fmdiag.Run(field=constant, train=train).membership(n_paths=4, n_steps=4)
    assert len(result.table) == 0 and set(result.summary["quantity"]) == {
        "not_judged", "energy", "terminal_share", "energy_ratio"}
    assert any("is not judged" in text and "4 held-out images" in text for text in result.cautions)


@pytest.mark.parametrize("name", ["grid, d = 2", "binary, d = 10", "30 % duplicates", "grouped frames"])
def test_recurring_content_raises_no_alarm_and_hides_no_memorisation(name):
    """6 repetitions: P[3 or more false alarms] = .2 % at 5 % each. checks/calibration has more of them."""
    draws = [np.random.default_rng([11, k]) for k in range(6)]
    found = [FAMILIES[f"{name}, third-party û*"](rng) for rng in draws]
    assert sum(p <= 0.05 for p in found) < 3
    assert CASES[f"{name}, û* of the training set"](draws[0]) < 0.01


def test_u_star_knows_its_rows():
    train = fmdiag.load_dataset("digits", n=16)
    u_star = ClosedFormField(train)
    table = measure(u_star, train, **SMALL, generator=generator())
    trained = table[table["source"] == "train"]
    # û* in float32 against û* in float64, squared.
    assert trained["squared_error"].max() < 1e-10
    assert len(table) == 2 * 16 * 3 and (table.groupby("source")["row"].nunique() == 16).all()
    summary = summarise(table)
    for score in ("error", "pull"):
        assert rows_of(summary, "auc_overall", score=score)["value"].eq(1).all()
    assert rows_of(summary, "auc_overall", score="loss")["value"].min() > 0.9
    assert rows_of(summary, "auc_p")["value"].max() < 1e-4
    found = excess.summarise(excess.measure(u_star, train, **SMALL, generator=generator()))
    assert rows_of(found, "excess_alignment_overall")["low"].min() > 0.1


def test_squared_error_of_training_images_is_that_of_the_error_diagnostic():
    """Same points, same field: û* with the image in its own place is û*."""
    train = fmdiag.load_dataset("digits", n=30)
    table = measure(constant, train, times=[0.6], n_images=5, n_noises=1, generator=generator())
    drawn = table[table["source"] == "train"].sort_values("pair")
    from fmdiag.diagnostics.membership.examples import draw_members
    from fmdiag.sampling import draw_noise

    g = generator()
    members = draw_members(train, n_images=5, generator=g)
    x1, t = members.train.double(), torch.tensor(0.6).double().item()
    xt = (1 - t) * draw_noise(5, train.shape, generator=g).double() + t * x1
    error = (0.3 - ClosedFormField(train)(xt, t)).flatten(1).square().mean(1)
    np.testing.assert_allclose(drawn["squared_error"], error, rtol=1e-6)


def test_batches_change_nothing(monkeypatch):
    whole = measure(constant, DIGITS, **SMALL, generator=generator())
    monkeypatch.setattr("fmdiag.diagnostics.membership.measure.POINTS_AT_ONCE", 7)
    pd.testing.assert_frame_equal(measure(constant, DIGITS, **SMALL, generator=generator()), whole, rtol=1e-9)


def test_held_out_images_that_were_trained_on_are_left_out():
    leaked = torch.cat([DIGITS[:3], DIGITS.held_out[:10], DIGITS.held_out[:2]])
    with pytest.warns(FmdiagWarning, match="3 of 15 held-out examples equal training examples"):
        table = measure(constant, DIGITS, held_out=leaked, times=[0.5], generator=generator())
    # Held-out rows 3 and 4 are there twice: like the three training rows, they could not have been on either side.
    assert set(table.loc[table["source"] == "heldout", "row"]) == set(range(5, 13))
    assert not set(table.loc[table["source"] == "train", "row"]) & {0, 1, 2} and table.attrs["recurring"] == (3, 7)


@pytest.mark.parametrize(("held_out", "message"), [
    (torch.zeros(1, 1, 8, 8), "needs 8 images of each kind, got 100 training and 1 held-out"),
    (torch.zeros(4, 1, 4, 4), "held-out examples have shape"),
    (False, "has no held-out examples"),
])
def test_wrong_held_out_rows_are_refused(held_out, message):
    with pytest.raises(FmdiagError, match=message):
        measure(constant, DIGITS, held_out=held_out, generator=generator())


def test_scores_are_higher_for_members():
    table = pd.DataFrame([{"t": 0.5, "pair": 0, "source": source, "cfm_loss": loss, "squared_error": loss,
                           "error_without": 1.0} for source, loss in (("train", 0.2), ("heldout", 0.6))])
    found = {name: (values.loc[("train", 0), 0.5], values.loc[("heldout", 0), 0.5])
             for name, values in scores(table).items()}
    assert all(member > other for member, other in found.values())
    assert found["pull"] == (pytest.approx(0.8 / 1.2), pytest.approx(0.4 / 1.6))


def test_energy_of_straight_paths_and_of_u_star():
    """One row: û* moves each noise straight to it, so E = ||x1 - x0||²/2d and a tenth of it falls after t = 0.9."""
    train = TrainingSet(np.array([[1.0, -2.0, 0.5]], dtype=np.float32))
    table = energy.measure(lambda x, t: torch.full_like(x, 2.0), train, n_samples=5, n_steps=20, generator=generator())
    model, closed = (table[table["source"] == source] for source in ("model", "closed_form"))
    np.testing.assert_allclose(model["energy"], 2.0, rtol=1e-5)
    from fmdiag.sampling import draw_noise

    noise = draw_noise(5, (3,), generator=generator())
    np.testing.assert_allclose(closed["energy"], (train[[0]] - noise).square().mean(1) / 2, rtol=1e-5)
    np.testing.assert_allclose(table["terminal_share"], 0.1, rtol=1e-4)
    same = energy.summarise(energy.measure(ClosedFormField(DIGITS), DIGITS, n_samples=4, n_steps=10,
                                           generator=generator()))
    assert rows_of(same, "energy_ratio")["value"].item() == 1

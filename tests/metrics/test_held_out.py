"""Held-out rows in the place of the samples: equal n, a difference of 0 without copies, paired where possible."""

import numpy as np
import pytest
import torch

from fmdiag.errors import FmdiagWarning
from fmdiag.metrics import METRICS, frechet, kid
from fmdiag.metrics.held_out import beside_held_out, excess_copies
from fmdiag.stats import mover


def gaussian(n, dim, *seed):
    return np.random.default_rng(seed).normal(size=(n, dim))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


SETS = gaussian(90, 3, 0), gaussian(200, 3, 1), gaussian(120, 3, 2)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_held_out_value_at_equal_n_and_a_difference(name):
    table = beside_held_out(METRICS[name], *SETS, generator=generator())
    model, heldout, difference = (table[table["source"] == source] for source in ("model", "heldout", "difference"))
    assert len(model) and len(heldout) and len(difference)
    assert (heldout["n"] == (60 if METRICS[name].NEEDS_TEST else 90)).all()
    inside = difference[difference["interval"] != "none"]
    assert (inside["low"] < inside["high"]).all() and (inside["low"] <= inside["value"]).all() and len(inside)
    assert not heldout["metric"].str.contains("_heldout|p_value").any()
    again = beside_held_out(METRICS[name], *SETS, generator=generator())
    assert table.equals(again)


@pytest.mark.parametrize("name", METRICS)
def test_the_same_rows_as_samples_and_as_held_out_rows_differ_by_zero(name):
    if METRICS[name].NEEDS_TEST:
        pytest.skip("held-out examples are split there")
    rows = gaussian(80, 3, 3)
    table = beside_held_out(METRICS[name], rows, gaussian(150, 3, 1), rows, generator=generator())
    to_train = table[(table["source"] == "difference") & ~table["metric"].str.endswith("_test")]
    # But for what depends on random subsets or groups.
    exact = to_train[~to_train["definition"].str.contains("100x|infinite")]
    assert exact["value"].abs().max() < 1e-9


def test_without_held_out_rows_there_is_the_model_only():
    assert set(beside_held_out(frechet, *SETS[:2], None, generator=generator())["source"]) == {"model"}


def test_too_few_held_out_rows_leave_the_samples_value_and_are_said():
    with pytest.warns(FmdiagWarning, match="no held-out value beside ct"):
        table = beside_held_out(METRICS["ct"], SETS[0], SETS[1], SETS[2][:6], generator=generator())
    assert table["source"].tolist() == ["model"]


@pytest.mark.parametrize("module", [frechet, kid])
def test_paired_differences_cover_zero_and_are_no_wider_than_independent_ones(module):
    """Both sets at 1 from the reference: of 60 intervals fewer than 50 hold 0 with a probability of 2e-4.

    Independent intervals have the chance of the reference rows twice, the paired one not at all.
    """
    held, widths = 0, []
    for k in range(60):
        sets = gaussian(40, 3, 0, k) + 1, gaussian(50, 3, 1, k), gaussian(40, 3, 2, k) + 1
        (key, (_, low, high)) = next(iter(module.difference(sets[0], sets[2], sets[1], generator=generator(k)).items()))
        rows = [module.measure(x, sets[1], generator=generator(k)) for x in (sets[0], sets[2])]
        first, other = (row[(row["metric"] == key[0]) & (row["definition"] == key[1])].iloc[0] for row in rows)
        free = mover(*(tuple(row[["value", "low", "high"]].astype(float)) for row in (other, first)))
        held += low <= 0 <= high
        widths.append((high - low) / (free[2] - free[1]))
    assert held >= 50 and np.median(widths) < 1


def test_fault_3_8_copies_are_said_to_have_the_best_value_and_not_to_be_independent():
    train, test = gaussian(200, 3, 1), gaussian(100, 3, 2)
    samples = np.concatenate([train[:40], gaussian(60, 3, 0)])
    copies = excess_copies(samples, train, test)
    assert 0.3 < copies < 0.5 and excess_copies(test, train, test) == 0
    table = beside_held_out(frechet, samples, train, test, copies=copies, generator=generator())
    rows = table[table["source"] == "model"].set_index("metric")
    assert "not independent" in rows.loc["frechet_train", "remark"] and rows.loc["frechet_test", "remark"] == ""
    assert rows.loc["frechet_infinity_train", ["value", "low", "high"]].isna().all()
    assert np.isfinite(rows.loc["frechet_infinity_test", "value"])


def test_fault_3_13_mifid_of_the_training_set_is_its_best_value_and_says_so():
    train = gaussian(100, 3, 1)
    table = beside_held_out(METRICS["mifid"], train, train, gaussian(60, 3, 2), generator=generator())
    row = table[(table["metric"] == "mifid") & (table["source"] == "model")].iloc[0]
    assert row["value"] == 0 and row["remark"] == "copies of training examples have the best value"

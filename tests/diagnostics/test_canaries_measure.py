"""Canaries: samples that are copies of known ones are counted for these, and held-out ones are found as easily."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fmdiag import ClosedFormField, load_dataset
from fmdiag.datasets.canaries import Canaries
from fmdiag.diagnostics.canaries.measure import measure, summarise

HELD_OUT = load_dataset("digits").held_out
N_EACH = 5


def planted():
    """Return (training set, canaries): 5 planted twice, 5 held out."""
    base, images = load_dataset("digits", n=40), HELD_OUT[np.arange(2 * N_EACH)]
    stored = np.concatenate([base.rows, np.repeat(HELD_OUT.rows[:N_EACH], 2, axis=0)])
    rows = [[40 + 2 * k, 41 + 2 * k] for k in range(N_EACH)] + [[]] * N_EACH
    return replace(base, rows=stored, labels=None), Canaries(images, np.repeat([2, 0], N_EACH), rows)


def generator():
    return torch.Generator().manual_seed(0)


def test_copies_of_planted_and_of_held_out_canaries_are_found_alike():
    train, canaries = planted()
    noise = 0.01 * torch.randn(4, 1, 8, 8, generator=generator())
    samples = torch.cat([canaries.images[[1, 3, 6, 6]] + noise, HELD_OUT[100:110]])
    table = measure(samples, train, canaries=canaries, generator=generator())
    assert table.loc[table["returned"], "canary"].tolist() == [1, 3, 6]
    assert table.loc[6, "n_returned"] == 2 and table.loc[6, "multiplicity"] == 0
    assert table.loc[[1, 3], "closest_sample"].tolist() == [0, 1]
    assert table["cfm_loss"].isna().all()


def test_ratios_by_brute_force():
    train, canaries = planted()
    samples = HELD_OUT[50:62]
    table = measure(samples, train, canaries=canaries, generator=generator())
    candidates = torch.cat([train[:40], canaries.images]).double().flatten(1)
    distances = (samples.double().flatten(1)[:, None] - candidates).norm(dim=2)
    for k in range(2 * N_EACH):
        others = distances[:, [j for j in range(40 + 2 * N_EACH) if j != 40 + k]].amin(1)
        assert table.loc[k, "ratio"] == pytest.approx((distances[:, 40 + k] / others).min().item(), rel=1e-9)


def test_mirror_images_count_where_the_training_set_has_flips():
    train, canaries = planted()
    samples = canaries.images[[2]].flip(-1)
    assert not measure(samples, train, canaries=canaries, generator=generator())["returned"].any()
    flipped = measure(samples, train.with_hflip(), canaries=canaries, generator=generator())
    assert flipped.loc[flipped["returned"], "canary"].tolist() == [2]


def test_u_star_returns_planted_canaries_and_fits_them():
    train, canaries = planted()
    u_star = ClosedFormField(train)
    from fmdiag.sampling import closed_form_samples, draw_noise

    samples = closed_form_samples(u_star, draw_noise(60, train.shape, generator=generator()))
    table = measure(samples, train, canaries=canaries, field=u_star, generator=generator())
    summary = summarise(table)
    shares = summary[summary["quantity"] == "returned"].set_index("multiplicity")
    # Each planted canary has 2 of 50 rows: missed by 60 samples with probability e^-2.4 = 9 %.
    assert shares.loc[2, "value"] >= 0.6 and shares.loc[0, "value"] == 0 and shares.loc[0, "high"] > 0.4
    # A median of losses would do as well: û* fits its rows.
    assert summary.loc[summary["quantity"] == "loss_auc", "value"].iloc[0] > 0.9
    assert summary.loc[summary["quantity"] == "canary_p", "value"].item() < 0.1


def test_a_model_that_knows_nothing_has_a_large_p():
    train, canaries = planted()
    table = measure(HELD_OUT[100:140], train, canaries=canaries, field=lambda x, t: 0 * x, generator=generator())
    summary = summarise(table)
    assert summary.loc[summary["quantity"] == "canary_p", "value"].item() == 1
    rows = summary[(summary["quantity"] == "loss_auc") & (summary["interval"] == "newcombe")].iloc[0]
    assert rows["low"] <= 0.5 <= rows["high"]

"""Carlini, AuthPct, DCR/NNDR, f_mem: brute force by scikit-learn, copies, duplicates, the null, k beyond the rows."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from fmdiag.errors import FmdiagError
from fmdiag.metrics import authpct, carlini, dcr, memorised_fraction
from fmdiag.stats import clustered_share


def gaussian(n, dim, *seed):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def neighbors(queries, rows, k):
    """Return scikit-learn's exact neighbours in float64."""
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(rows.astype(float))
    return search.kneighbors(queries.astype(float))


def test_carlini_equals_brute_force():
    samples, train = gaussian(40, 5, 0), gaussian(200, 5, 1)
    d, rows = neighbors(samples, train, 50)
    value, nearest = carlini.relative_distance(samples, train)
    np.testing.assert_allclose(value, d[:, 0] / (0.5 * d.mean(1)), rtol=1e-6)
    assert (nearest == rows[:, 0]).all()
    own, _ = neighbors(train, train, 51)
    value, _ = carlini.relative_distance(samples, train, around="row")
    np.testing.assert_allclose(value, d[:, 0] / (0.5 * own[rows[:, 0], 1:].mean(1)), rtol=1e-6)


def test_carlini_where_neighbours_are_at_distance_zero():
    train = np.zeros((60, 2), np.float32)
    for around in carlini.AROUND:
        value, _ = carlini.relative_distance(np.array([[0.0, 0.0]]), train, around=around)
        assert value.tolist() == [0]
    assert np.isnan(carlini.relative_distance(np.array([[1.0, 0.0]]), train, around="row")[0]).all()


def test_more_neighbours_than_rows():
    with pytest.raises(FmdiagError, match="50 nearest rows were asked for, but only 30"):
        carlini.relative_distance(gaussian(4, 3, 0), gaussian(30, 3, 1))
    table = carlini.measure(gaussian(4, 3, 0), gaussian(30, 3, 1), generator=generator())
    assert table["definition"].str.contains("alpha-0.5-29-neighbours-of-").all()


def test_authpct_equals_brute_force_in_both_definitions():
    samples, train = gaussian(90, 4, 0), gaussian(150, 4, 1)
    d, rows = neighbors(samples, train, 1)
    own = neighbors(train, train, 2)[0][:, 1]
    expected = 100 * (own[rows[:, 0]] < d[:, 0]).mean()
    table = authpct.measure(samples, train, generator=generator())
    assert table["value"].tolist() == pytest.approx([expected, expected - 50], rel=1e-12)
    assert table["definition"].tolist() == ["authpct/dgm-eval", "authpct/fld-10k-minus-50"]


def test_authpct_of_copies_is_zero_and_duplicates_hide_them():
    train = gaussian(80, 3, 0)
    copies = train[:20] + np.float32(1e-4)
    assert not authpct.authentic(copies, train)[0].any()
    assert authpct.authentic(copies, np.tile(train, (2, 1)))[0].all()       # the blind spot that the docstring names
    assert (memorised_fraction.ratios(copies, np.tile(train, (2, 1)))[0] < 1 / 3).all()


def test_the_10k_variant_takes_subsets(monkeypatch):
    monkeypatch.setattr(authpct, "FLD_ROWS", 30)
    table = authpct.measure(gaussian(90, 4, 0), gaussian(150, 4, 1), generator=generator())
    assert table["n"].tolist() == [90, 30]


def test_dcr_equals_brute_force():
    samples, train, test = gaussian(70, 3, 0), gaussian(40, 3, 1), gaussian(40, 3, 2)
    closer = neighbors(samples, train, 1)[0] < neighbors(samples, test, 1)[0]
    table = dcr.measure(samples, train, test, generator=generator()).set_index("metric")
    assert table.loc["dcr_share", "value"] == pytest.approx(closer.mean(), rel=1e-12)
    d = neighbors(samples, train, 2)[0]
    assert table.loc["nndr", "value"] == pytest.approx(np.sort(d[:, 0] / d[:, 1])[34], rel=1e-6)
    assert table.loc["dcr_p5", "value"] == pytest.approx(np.sort(d[:, 0])[3], rel=1e-6)


def test_fault_2_4_pure_copies_are_near_1_however_few_rows_are_held_out():
    train, test = gaussian(2000, 3, 1), gaussian(100, 3, 2)
    table = dcr.measure(train[::2], train, test, generator=generator()).set_index("metric")
    expected = table.loc["dcr_share_expected", "value"]
    assert expected == 2000 / 2100
    # A held-out row among 2000 training rows is never at distance 0: each sample is nearest to its own row.
    assert table.loc["dcr_share", "value"] == table.loc["dcr_share", "high"] == 1
    assert expected < table.loc["dcr_share", "low"] < 1
    copies = dcr.measure(train[::2] + np.float32(1e-5), train, test, generator=generator()).iloc[0]
    assert copies["value"] > 0.999


@pytest.mark.parametrize(("n", "m", "repeats"), [(400, 20, 1), (100, 100, 4), (20, 200, 1)])
def test_dcr_share_of_fresh_draws_covers_what_is_expected(n, m, repeats):
    """Each of n + m rows is as likely the nearest. 95 % intervals, 60 draws: Binomial(60, .95) < 52 in 1 of 2000."""
    covered = 0
    for seed in range(60):
        samples = np.repeat(gaussian(200 // repeats, 3, seed, 0), repeats, axis=0)
        _, low, high = clustered_share(*dcr.closer_to_train(samples, gaussian(n, 3, seed, 1), gaussian(m, 3, seed, 2)))
        covered += low <= n / (n + m) <= high
    assert covered >= 52


def test_a_copy_of_a_repeated_row_has_nndr_0():
    train = np.repeat(gaussian(40, 3, 0), 2, axis=0)
    table = dcr.measure(train, train, gaussian(30, 3, 1), generator=generator()).set_index("metric")
    assert table.loc["nndr", "value"] == 0 and table.loc["nndr_heldout", "value"] == pytest.approx(1)


def test_dcr_ties_count_half():
    rows = gaussian(30, 2, 0)
    assert dcr.measure(rows, rows, rows, generator=generator()).iloc[0]["value"] == 0.5


def planted(share, n=400, dim=12, seed=0):
    """Return samples of which a share are copies of different training rows, training rows and held-out rows."""
    train, samples = gaussian(600, dim, seed, 1), gaussian(n, dim, seed, 2)
    samples[: round(share * n)] = train[: round(share * n)]
    return samples, train, gaussian(300, dim, seed, 3)


def test_f_mem_of_planted_copies():
    table = memorised_fraction.measure(*planted(0.1), generator=generator())
    both = table[table["metric"] == "f_mem"]
    assert set(both["interval"]) == {"exact", "cluster_bootstrap"} and (both["value"] == 0.1).all()
    assert ((0.05 < both["low"]) & (both["low"] < 0.1) & (0.1 < both["high"]) & (both["high"] < 0.15)).all()
    rest = table.set_index("metric")
    assert rest.loc["f_mem_heldout", "value"] == 0 and rest.loc["f_mem_excess", "low"] > 0
    assert rest.loc["f_mem_auc", "value"] > 0.5


def test_one_row_copied_many_times_has_a_wide_interval_over_training_rows():
    samples, train, _ = planted(0.1)
    samples[:40] = train[0]
    table = memorised_fraction.measure(samples, train, generator=generator()).set_index("interval")
    assert table.loc["cluster_bootstrap", "low"] == 0            # drawn without that row: no copy at all
    assert table.loc["exact", "low"] > 0.05


def test_fresh_draws_are_memorised_at_the_null_level_and_no_evidence():
    """In one dimension a third of fresh draws pass d1/d2 < 1/3 (derived): excess and AUC show nothing.

    Bounds: 4.5 standard errors of a share of 1/3 among 800.
    """
    table = memorised_fraction.measure(gaussian(800, 1, 0), gaussian(4000, 1, 1), gaussian(800, 1, 2),
                                       generator=generator()).set_index("metric")
    assert table.loc["f_mem_heldout", "value"] == pytest.approx(1 / 3, abs=4.5 * np.sqrt(2 / 9 / 800) + 0.01)
    assert table.loc["f_mem_excess", "low"] < 0 < table.loc["f_mem_excess", "high"]
    assert table.loc["f_mem_auc", "low"] < 0.5 < table.loc["f_mem_auc", "high"]


def test_training_rows_that_are_all_equal_are_refused():
    with pytest.raises(FmdiagError, match="all 9 train rows are equal"):
        memorised_fraction.measure(gaussian(4, 2, 0), np.ones((9, 2)), generator=generator())

"""The Fréchet distance: closed forms, torchmetrics, too few rows, and whether its intervals cover."""

import numpy as np
import pytest
import torch
from scipy import linalg, stats
from torchmetrics.image.fid import FrechetInceptionDistance

from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.metrics.frechet import distance_estimate, frechet_distance, leave_out, measure, not_negative


def gaussian(n, dim, seed, scale=1.0):
    return scale * np.random.default_rng(seed).normal(size=(n, dim))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_diagonal_gaussians_have_the_closed_form():
    """With sample moments made exactly (0, I): scaling by s and shifting by c gives |c|² + sum (s - 1)²."""
    x = gaussian(200, 4, 0)
    x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    scale, shift = np.array([0.5, 1, 2, 3]), np.array([1.0, 0, -2, 0])
    assert frechet_distance(x, x * scale + shift) == pytest.approx(5 + 0.25 + 0 + 1 + 4, rel=1e-10)


def test_equals_the_formula_with_a_matrix_square_root():
    a, b = gaussian(300, 6, 0) @ gaussian(6, 6, 1), gaussian(400, 6, 2) @ gaussian(6, 6, 3) + 0.3
    ca, cb = np.cov(a.T), np.cov(b.T)
    formula = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(ca + cb - 2 * linalg.sqrtm(ca @ cb).real)
    assert frechet_distance(a, b) == pytest.approx(formula, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(formula, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(200, 150), (12, 150), (12, 9)])
def test_equals_torchmetrics(torchmetrics_value, n, m):
    """16 dimensions, so 12 and 9 rows have no full rank; the peer takes square roots of eigenvalues that are 0 but for
    1e-16, which is 1e-8 each in a value of order 10: 1e-5 relative covers it."""
    a, b = gaussian(n, 16, 0), gaussian(m, 16, 1, 1.2) + 0.5
    peer = torchmetrics_value(FrechetInceptionDistance, b, a).item()
    assert frechet_distance(a, b) == pytest.approx(peer, rel=1e-5)


def test_equal_sets_are_at_distance_zero_whatever_their_rank():
    for n, dim in ((50, 4), (5, 40)):
        x = gaussian(n, dim, 0)
        assert frechet_distance(x, x) < 1e-12
    constant = np.hstack([gaussian(30, 2, 0), np.ones((30, 3))])
    assert frechet_distance(constant, constant) < 1e-12
    moved = constant + [0, 0, 1, 0, 0]
    assert frechet_distance(constant, moved) == pytest.approx(1, rel=1e-12)


def test_leaving_groups_out_by_update_equals_leaving_them_out():
    for n, dim in ((90, 5), (12, 30)):
        a, b, labels = gaussian(n, dim, 0) + 3, gaussian(40, dim, 1), np.arange(n) % 7
        direct = [frechet_distance(a[labels != h], b) for h in range(7)]
        np.testing.assert_allclose(leave_out(a, b, labels), direct, rtol=1e-6)


def test_the_interval_covers_the_expected_value_and_the_extrapolation_the_true_one():
    """N(0, I) against N(0.7, I) in 4 dimensions, 150 and 200 rows: FD = 4 * 0.49.

    200 repetitions: at a coverage of 0.95 fewer than 178 successes have a probability below 1e-4; the jackknife's
    variance is too large in expectation, so more are no failure. The plain value's own expectation is their mean.
    """
    estimates = []
    for k in range(200):
        rng = np.random.default_rng([1, k])
        a, b = rng.normal(size=(150, 4)), rng.normal(size=(200, 4)) + 0.7
        estimates.append(distance_estimate(a, b, rng))
    plain = np.array([np.ravel(e.interval()) for e in estimates])
    expected = plain[:, 0].mean()
    assert ((plain[:, 1] <= expected) & (expected <= plain[:, 2])).sum() >= 178
    corrected = np.array([np.ravel(e.interval(corrected=True)) for e in estimates])
    assert ((corrected[:, 1] <= 1.96) & (corrected[:, 2] >= 1.96)).sum() >= 178
    # The bias that resampling with replacement would double: positive, and gone in the extrapolation.
    error = plain[:, 0].std() / np.sqrt(200)
    assert expected - 1.96 > 1.5 * error and abs(corrected[:, 0].mean() - 1.96) < 4 * error


def test_a_bootstrap_would_add_the_bias_again():
    """Why intervals are no bootstrap: two samples of one law, whose resamples are further apart than they are."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(100, 8)), rng.normal(size=(100, 8))
    resampled = [frechet_distance(rng.choice(a, 100), rng.choice(b, 100)) for _ in range(50)]
    assert np.quantile(resampled, 0.025) > frechet_distance(a, b)


def test_rows_of_the_table():
    generated, train, test = (gaussian(n, 3, n) for n in (60, 80, 40))
    table = measure(generated, train, test, generator=generator()).set_index("metric")
    assert list(table.index) == ["frechet_train", "frechet_infinity_train", "frechet_test", "frechet_infinity_test"]
    assert table.loc["frechet_train", "value"] == pytest.approx(frechet_distance(generated, train), rel=1e-12)
    assert table.loc["frechet_test", "value"] == pytest.approx(frechet_distance(generated, test), rel=1e-12)
    assert (table["low"] <= table["value"]).all() and (table["value"] < table["high"]).all()
    assert (table["n"] == 60).all() and set(table["interval"]) == {"jackknife"}
    again = measure(generated, train, test, generator=generator()).set_index("metric")
    assert table.equals(again)
    assert len(measure(generated, train, generator=generator())) == 2


@pytest.mark.parametrize(("n", "m"), [(20, 60), (60, 20), (30, 60)])
def test_fewer_rows_than_dimensions_are_computed_with_a_warning_and_not_extrapolated(n, m):
    """Fault 3.8: extrapolated, equal distributions came out far below 0."""
    with pytest.warns(FmdiagWarning, match=f"{min(n, m)} .* rows in 30 dimensions.*not extrapolated"):
        table = measure(gaussian(n, 30, 0), gaussian(m, 30, 1), generator=generator()).set_index("metric")
    assert np.isfinite(table.loc["frechet_train", ["value", "low", "high"]].astype(float)).all()
    assert table.loc["frechet_infinity_train", ["value", "low", "high"]].isna().all()
    assert table.loc["frechet_infinity_train", "interval"] == "none"


def test_fault_3_8_no_part_of_an_interval_is_below_zero_and_zero_is_held():
    """Equal distributions, the truth is 0. Of 100 intervals of level .95, 87 or more hold it but for 5e-4."""
    held = 0
    for k in range(100):
        rng = np.random.default_rng([2, k])
        table = measure(rng.normal(size=(60, 3)), rng.normal(size=(80, 3)), generator=generator(k))
        row = table.set_index("metric").loc["frechet_infinity_train"]
        assert 0 <= row["low"] <= row["value"] < row["high"]
        held += row["low"] == 0
    assert held >= 87
    assert not_negative(-2.0, -3.0, -1.0) == (0.0, 0.0, 1.0) and not_negative(2.0, -1.0, 5.0) == (2.0, 0.0, 5.0)


@pytest.mark.parametrize(("generated", "train", "message"), [
    (gaussian(20, 3, 0), gaussian(20, 4, 0), "train features have 4 dimensions, generated features 3"),
    (np.full((20, 3), np.nan), gaussian(20, 3, 0), "generated features: row 0 holds NaN"),
    (gaussian(2, 3, 0), gaussian(20, 3, 0), "at least 3 generated rows, got 2"),
    (np.zeros((20, 2, 2)), gaussian(20, 3, 0), "shape"),
    (np.full((20, 3), "a"), gaussian(20, 3, 0), "numbers"),
])
def test_bad_input(generated, train, message):
    with pytest.raises(FmdiagError, match=message):
        measure(generated, train, generator=generator())


def test_student_quantile_is_that_of_the_groups():
    estimate = distance_estimate(gaussian(40, 2, 0), gaussian(50, 2, 1), np.random.default_rng(0), n_groups=10)
    value, low, high = estimate.interval()
    assert (high - value) / estimate.error == pytest.approx(stats.t.ppf(0.975, 9), rel=1e-12)

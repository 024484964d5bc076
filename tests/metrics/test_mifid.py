"""MiFID: torchmetrics in its direction, the other one by hand, the reset, copies where float32 loses M."""

import numpy as np
import pytest
import torch
from torchmetrics.image.mifid import MemorizationInformedFrechetInceptionDistance

from fmdiag.errors import FmdiagError
from fmdiag.metrics.frechet import frechet_distance
from fmdiag.metrics.mifid import KAGGLE, TORCHMETRICS, measure, memorisation_distance, mifid


def gaussian(n, dim, *seed):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def rows(*sets, seed=0):
    table = measure(*sets, generator=torch.Generator().manual_seed(seed))
    return table.set_index(["metric", "definition"])


def least_angle(a, b):
    """Return the mean over a of min 1 - |cos| over b, in float64."""
    a, b = (x.astype(float) / np.linalg.norm(x.astype(float), axis=1, keepdims=True) for x in (a, b))
    return (1 - np.abs(a @ b.T)).min(1).mean()


@pytest.mark.parametrize("dim", [3, 30])
def test_equals_torchmetrics(torchmetrics_value, dim):
    """3 dimensions: M is below 0.1 and divides; 30: above, and MiFID is FID."""
    generated, train = gaussian(80, dim, 0), gaussian(100, dim, 1) + np.float32(0.2)
    peer = torchmetrics_value(MemorizationInformedFrechetInceptionDistance, train, generated).item()
    found = rows(generated, train)
    assert found.loc[("mifid", TORCHMETRICS), "value"] == pytest.approx(peer, rel=1e-5)
    divides = found.loc[("mifid_distance", TORCHMETRICS), "value"] < 0.1
    assert divides == (dim == 3)
    assert (found.loc[("mifid", TORCHMETRICS), "value"] > 1.5 * frechet_distance(generated, train)) == divides


def test_both_directions_equal_the_definition():
    generated, train = gaussian(50, 4, 0), gaussian(90, 4, 1)
    found = rows(generated, train)["value"]
    assert found[("mifid_distance", KAGGLE)] == pytest.approx(least_angle(generated, train), rel=1e-5)
    assert found[("mifid_distance", TORCHMETRICS)] == pytest.approx(least_angle(train, generated), rel=1e-5)
    distance = frechet_distance(generated, train)
    assert found[("mifid", KAGGLE)] == pytest.approx(distance / least_angle(generated, train), rel=1e-5)


def test_a_few_training_rows_copied_show_in_one_direction_only():
    """All samples are copies of 20 of 200 rows: the customary direction sees it, the reverse hardly."""
    train = gaussian(200, 40, 0)
    generated = np.tile(train[:20], (5, 1))
    found = rows(generated, train)["value"]
    assert found[("mifid_distance", KAGGLE)] < 1e-12
    assert found[("mifid_distance", TORCHMETRICS)] > 0.1
    assert found[("mifid", KAGGLE)] > 1e10 * found[("mifid", TORCHMETRICS)]


def test_copies_have_a_distance_of_zero_where_a_float32_product_has_not():
    train = gaussian(200, 64, 0) * np.float32(3)
    unit = torch.nn.functional.normalize(torch.from_numpy(train), dim=1)
    by_product = (1 - (unit @ unit.T).abs()).min(1).values
    assert by_product.abs().mean() > 1e-8
    assert memorisation_distance(train, train) < 1e-14


def test_opposite_directions_count_as_equal_and_the_reset():
    assert memorisation_distance([[1.0, 2.0]], [[-2.0, -4.0], [1.0, 0.0]]) < 1e-14
    assert mifid(5.0, 0.05) == pytest.approx(100, rel=1e-9) and mifid(5.0, 0.1) == pytest.approx(5, rel=1e-9)
    assert mifid(1e-9, 0.05) == 0


def test_rows_of_zeros_have_no_direction():
    x = gaussian(30, 3, 0)
    with_zeros = np.concatenate([x, np.zeros((2, 3), np.float32)])
    assert memorisation_distance(with_zeros, x) < 1e-14
    assert np.isfinite(rows(with_zeros, with_zeros[::-1])["value"]).all()
    with pytest.raises(FmdiagError, match="every row of features is zero"):
        memorisation_distance(np.zeros((4, 3)), x)


def test_the_interval_of_m_covers():
    """40 repetitions at coverage 0.95: fewer than 32 successes have a probability below 2e-4."""
    found = [rows(gaussian(60, 3, k, 0), gaussian(150, 3, k, 1), seed=k).loc[("mifid_distance", KAGGLE)]
             for k in range(40)]
    expected = np.mean([row["value"] for row in found])
    assert sum(row["low"] <= expected <= row["high"] for row in found) >= 32

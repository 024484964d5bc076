"""Geometry: explicit derivatives, û*'s closed form, Gaussian data, a copy of half a picture, and what is left out."""

import numpy as np
import pytest
import torch
from torch.autograd.functional import jacobian

import fmdiag
from fmdiag import TrainingSet
from fmdiag.diagnostics.geometry import curvature
from fmdiag.diagnostics.geometry.measure import measured, summarise
from fmdiag.diagnostics.geometry.summary import flat_shares, reading
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import GaussianFlow
from fmdiag.fields.gaussian import INDEPENDENT

TIMES = [0.4, 0.8, 0.97]
SHAPE = (1, 4, 4)


def points(n, shape, seed):
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)


class Memoriser(torch.nn.Module):
    """û* by a softmax over its rows, some of the coordinates; the others are those of N(0, 1) data. Differentiable."""

    def __init__(self, rows, path, copied=None):
        super().__init__()
        self.rows = torch.nn.Parameter(torch.from_numpy(rows).double().flatten(1))
        self.path, self.copied = path, torch.ones(self.rows.shape[1]) if copied is None else copied

    def mean(self, x, t):
        alpha, sigma = self.path.alpha(t)[:, None], self.path.sigma(t)[:, None]
        away = (x.flatten(1)[:, None] - alpha[:, None] * self.rows) * self.copied
        weights = torch.softmax(-away.square().sum(2) / (2 * sigma**2), 1)
        gain = alpha / (alpha**2 + sigma**2)
        return self.copied * (weights @ self.rows) + (1 - self.copied) * gain * x.flatten(1)

    def forward(self, x, t):
        return self.path.velocity_from_mean(self.mean(x, t).reshape(x.shape), x, t)


def explicit(network, path, example, t):
    """Return (LID, diagonal of dD) at one example by torch's own Jacobian of D, float64."""
    time = torch.tensor([t], dtype=torch.float64)
    alpha, sigma, x = path.alpha(time), path.sigma(time), example[None].double()

    def mean(y):
        return path.mean_from_velocity(network(y, time), y, t).flatten()

    diagonal = jacobian(mean, alpha * x).reshape(x.numel(), x.numel()).diagonal()
    away = mean(alpha * x).detach() - x.flatten()
    return (alpha * diagonal.sum() + (alpha / sigma) ** 2 * away.square().sum()).item(), diagonal


@pytest.mark.parametrize("path", [fmdiag.LinearPath(), fmdiag.CosinePath()])
def test_a_memoriser_has_the_closed_form_of_u_star_and_goes_to_zero_at_its_rows(path):
    rows, held_out = points(12, (4,), 0), points(12, (4,), 1)
    found = measured(Memoriser(rows, path), TrainingSet(rows), samples=held_out + 0.1, held_out=held_out, times=TIMES,
                     n_images=12, path=path)
    table = found.table
    assert set(table["derivative"]) == {"forward"} and len(table) == 3 * 12 * 3
    np.testing.assert_allclose(table["lid"], table["lid_closed_form"], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found.maps["model"], found.maps["closed_form"], rtol=1e-9, atol=1e-10)
    late = table[table["t"] == 0.97]
    assert late[late["source"] == "train"]["lid"].abs().max() < 1e-10
    # At any other point the squared distance to the nearest row remains, whatever the weights.
    alpha, sigma = (part(torch.tensor(0.97, dtype=torch.float64)).item() for part in (path.alpha, path.sigma))
    held = late[late["source"] == "heldout"]
    nearest = [np.square(rows - held_out[k]).sum(1).min() for k in held["number"]]
    np.testing.assert_allclose(held["lid"], (alpha / sigma) ** 2 * np.array(nearest), rtol=1e-2)
    # û* of held-out examples leaves the example itself out: by brute force.
    others = {k: Memoriser(np.delete(held_out, k, 0), path) for k in held["number"]}
    for k, value in zip(held["number"], held["lid_heldout_form"], strict=True):
        assert value == pytest.approx(explicit(others[k], path, torch.from_numpy(held_out[k]), 0.97)[0], rel=1e-9)
    p = summarise(table).set_index("quantity").loc["lid_p", "value"]
    assert p < 1e-3      # of 4096 signs of 12 pairs one is as extreme, so that of 20 000 about 5 are


def test_a_network_of_two_layers_by_explicit_derivatives():
    torch.manual_seed(0)
    first, second = torch.nn.Linear(17, 9).double(), torch.nn.Linear(9, 16).double()

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = first, second

        def forward(self, x, t):
            hidden = torch.tanh(self.first(torch.cat([x.flatten(1), t[:, None]], 1)))
            return self.second(hidden).reshape(x.shape)

    rows, network = points(10, SHAPE, 2), Network()
    found = measured(network, TrainingSet(rows), samples=rows[:2], held_out=points(10, SHAPE, 3), times=TIMES,
                     n_images=8)
    assert (found.table["lid_standard_error"] == 0).all()
    for k, example in enumerate(found.examples.points):
        for j, t in enumerate(TIMES):
            lid, diagonal = explicit(network, fmdiag.LinearPath(), example, t)
            assert found.table["lid"].iloc[3 * k + j] == pytest.approx(lid, rel=1e-10)
            torch.testing.assert_close(found.maps["model"][k, j], diagonal, rtol=1e-10, atol=1e-11)


def test_gaussian_data_have_the_dimension_of_the_formula():
    covariance = torch.diag(torch.tensor([2.0, 0.5, 1e-6]).double())
    rows = points(10, (3,), 4)
    found = measured(GaussianFlow(torch.ones(3), covariance, INDEPENDENT), TrainingSet(rows), samples=rows[:2],
                     held_out=points(10, (3,), 5), times=TIMES, n_images=8).table
    for row in found[found["source"] == "train"].itertuples():
        variance = row.t**2 * covariance.diagonal() + (1 - row.t) ** 2
        away = row.t * (1 - row.t) / variance * (1 - torch.from_numpy(rows[row.number]).double())
        exact = (row.t**2 * covariance.diagonal() / variance).sum() + away.square().sum()
        assert row.lid == pytest.approx(exact.item(), rel=1e-10)


def test_probes_estimate_diagonal_and_trace_with_their_errors(monkeypatch):
    """The error of a coordinate is a mean of K Rademacher sums with weights J_pq, q != p: subgaussian with their own
    variance, so that P(|error| > c s) <= 2 exp(-c² / 2); c for one failure in a million over all coordinates."""
    monkeypatch.setattr(curvature, "EXACT_DIM", 4)
    rows, held_out, path = points(12, SHAPE, 6), points(12, SHAPE, 7), fmdiag.LinearPath()
    network, n_probes = Memoriser(rows, path), 64
    found = measured(network, TrainingSet(rows), samples=held_out, held_out=held_out, times=[0.3], n_images=12,
                     n_probes=n_probes)
    errors, squares, reported = [], [], []
    for k, example in enumerate(found.examples.points):
        t = torch.tensor([0.3], dtype=torch.float64)
        whole = jacobian(lambda y, t=t: network.mean(y, t).flatten(), 0.3 * example[None].double()).reshape(16, 16)
        variance = (whole.square().sum(1) - whole.diagonal().square()) / n_probes
        errors.append((found.maps["model"][k, 0] - whole.diagonal()) / variance.sqrt())
        squares.append(variance)
        reported.append(found.maps["error"][k, 0].square())
    errors = torch.stack(errors)
    assert errors.abs().max() < np.sqrt(2 * np.log(2 * errors.numel() * 1e6))
    assert 0.8 < errors.square().mean() < 1.25        # 576 squares of unit variance, few of them alike: 3 / sqrt(200)
    # Variances from 63 degrees of freedom, averaged over 36 points of 16 coordinates.
    assert torch.stack(reported).sum() == pytest.approx(torch.stack(squares).sum().item(), rel=0.1)
    assert (found.table["lid_standard_error"] > 0).all()


def test_a_copy_of_half_a_picture_is_found_where_it_is():
    """û* on the left half of the pixels, N(0, 1) data on the right: dD is 0 left, alpha / (alpha² + sigma²) right."""
    left = torch.zeros(4, 4, dtype=torch.float64)
    left[:, :2] = 1
    rows, held_out = points(30, SHAPE, 8), points(30, SHAPE, 9)
    network = Memoriser(rows, fmdiag.LinearPath(), copied=left.flatten())
    found = measured(network, TrainingSet(rows), samples=rows[:4], held_out=held_out, times=[0.9], n_images=30)
    maps, copied = found.maps["model"][:, 0], left.flatten() == 1
    train = torch.from_numpy(found.examples.source == "train")
    assert maps[train][:, copied].max() < 1e-4
    right = torch.full((64, 8), 0.9 / 0.82, dtype=torch.float64)
    torch.testing.assert_close(maps[:, ~copied], right, rtol=1e-9, atol=0)
    assert all(fmdiag.stats.auc(row[~copied], row[copied]) == 1 for row in maps[train].numpy())
    assert summarise(found.table).set_index("quantity").loc["lid_p", "value"] < 1e-3


def test_flat_shares_of_exchangeable_values_are_those_of_their_ranks():
    """Of m + 1 exchangeable values the own one is among the lowest k with probability k / (m + 1): by enumeration."""
    maps = np.arange(41.0).reshape(41, 1, 1)          # one coordinate, all values different
    held_out, kept = np.arange(41) > 0, np.ones(41, bool)
    found = [flat_shares(np.roll(maps, shift, 0), held_out, kept)[0, 0] for shift in range(41)]
    assert np.mean(found) == 2 / 41                   # k = .05 * 41 rounded down
    assert flat_shares(maps, held_out, kept)[1:, 0].sum() == 2          # of 40, k = .05 * 40
    assert np.isnan(flat_shares(maps[:19], held_out[:19], kept[:19])).all()
    assert flat_shares(np.zeros((41, 1, 1)), held_out, kept).sum() == 0   # equal values are not less


def test_what_cannot_be_measured_is_left_out_and_said():
    rows, held_out = points(12, (3,), 10), points(12, (3,), 11)

    def bursts(x, t):
        return torch.where(x.flatten(1)[:, :1] > 0.5, torch.nan, -x)

    with pytest.warns(FmdiagWarning, match="of 36 images diverged"):
        table = fmdiag.geometry(bursts, rows, samples=rows, held_out=held_out, times=[0.9], n_images=12)
    assert len(table) < 36 and np.isfinite(table["lid"]).all() and set(table["derivative"]) == {"differences"}
    # v = -x: D = t x, dD = t at every point, LID = d t² + (t / (1 - t))² (1 - t²)² ||x||² with alpha = t.
    train = table[table["source"] == "train"]
    np.testing.assert_allclose(train["trace"], 3 * 0.9, rtol=1e-3)
    alone = fmdiag.geometry(lambda x, t: -x, rows, samples=rows, held_out=held_out[:3], times=[0.9], n_images=12)
    assert "geometry has no null" in alone.attrs["remarks"][0] and alone["lid_heldout_form"].isna().all()
    assert "no held-out examples" in reading(summarise(alone))
    for wrong in ({"n_images": 1}, {"n_probes": 1}, {"times": [1.0]}):
        with pytest.raises(FmdiagError, match=r"at least 2|times must be in \[0, 1\)"):
            fmdiag.geometry(bursts, rows, samples=rows, held_out=held_out, **wrong)


def test_blocks_of_points_and_probes_change_nothing_but_rounding(monkeypatch):
    rows, held_out = points(12, SHAPE, 12), points(12, SHAPE, 13)
    tables = []
    for vectors, exact in ((4096, 128), (16, 128), (4096, 4), (40, 4)):
        monkeypatch.setattr(curvature, "VECTORS", vectors)
        monkeypatch.setattr(curvature, "EXACT_DIM", exact)
        tables.append(fmdiag.geometry(Memoriser(rows, fmdiag.LinearPath()), rows, samples=rows, held_out=held_out,
                                      times=[0.3], n_images=12))
    for one, other in (tables[:2], tables[2:]):
        np.testing.assert_allclose(one["lid"], other["lid"], rtol=1e-10, atol=1e-12)

"""Trajectories of û* that look at few rows are those of plain integration, which scans all rows at every step."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmdiag.datasets import TrainingSet
from fmdiag.fields import ClosedFormField
from fmdiag.paths import CosinePath, LinearPath, VPPath
from fmdiag.posterior import EmpiricalPosterior
from fmdiag.posterior.walk import Walk
from fmdiag.posterior.walk.scan import Scanner
from fmdiag.sampling import closed_form_states, draw_noise, time_grid

TAUS = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]


def plain_states(training_set, path, x0, grid, taus):
    """The step by its definition, in float64, every posterior over all rows; then geometric steps until t = 1."""
    posterior, x, states = EmpiricalPosterior(training_set, path), x0.double(), {0.0: x0.double()}

    def move(x, mean, start, stop):
        start, stop = (torch.tensor(t, dtype=torch.float64) for t in (start, stop))
        return path.alpha(stop) * mean + path.sigma(stop) / path.sigma(start) * (x - path.alpha(start) * mean)

    for start, stop in zip(grid[:-2], grid[1:-1], strict=True):
        x = move(x, posterior(x, start).mean, start, stop)
        states[stop] = x
    final, rest, active = torch.empty_like(x), 1 - grid[-2], torch.arange(len(x))
    while len(active):
        found = posterior(x, 1 - rest)
        done = (found.variance.sqrt() <= 1e-6) | (rest <= 1e-12)
        final[active[done]] = move(x, found.mean, 1 - rest, 1.0)[done]
        x, active = move(x, found.mean, 1 - rest, 1 - 0.75 * rest)[~done], active[~done]
        rest *= 0.75
    return {tau: states[tau] for tau in taus if tau < 1} | {1.0: final}


def assert_same(training_set, x0, *, path=None, n_steps=20):
    path = path or LinearPath()
    grid = time_grid(n_steps, TAUS)
    got = closed_form_states(ClosedFormField(training_set, path), x0, grid, TAUS)
    expected = plain_states(training_set, path, x0, grid, TAUS)
    rows = training_set[:].double().flatten(1)
    for tau in TAUS:
        # OMITTED = 1e-13 of the weight a step, times the data's extent, grows along the way; 1e-6 is what is promised.
        torch.testing.assert_close(got[tau], expected[tau], rtol=0, atol=1e-6, msg=lambda m, tau=tau: f"{tau}: {m}")
    nearest = [torch.cdist(x.flatten(1), rows).argmin(1) for x in (got[1.0], expected[1.0])]
    assert torch.equal(rows[nearest[0]], rows[nearest[1]])


def noise(training_set, b, seed=0):
    return draw_noise(b, training_set.shape, generator=torch.Generator().manual_seed(seed))


def random_set(n, dim, seed, scale=1.0, repeats=1):
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32) * scale
    return TrainingSet(np.repeat(rows, repeats, axis=0))


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 400), dim=st.sampled_from([1, 2, 3, 8, 64]), scale=st.sampled_from([0.1, 1.0, 10.0]),
       repeats=st.integers(1, 3), seed=st.integers(0, 100))
def test_states_are_those_of_plain_integration(n, dim, scale, repeats, seed):
    data = random_set(n, dim, seed, scale, repeats)
    assert_same(data, noise(data, 12, seed))


@pytest.mark.parametrize("path", [CosinePath(), VPPath()], ids=lambda path: path.name)
@pytest.mark.parametrize("dim", [2, 64])
def test_on_other_paths(path, dim):
    data = random_set(1500, dim, 0)
    assert_same(data, noise(data, 16), path=path)


def test_in_two_dimensions_with_many_rows():
    """Lists are made, refreshed and finished here: 20 000 rows on a circle, 10^-3 apart."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 20000)
    data = TrainingSet(np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32))
    assert_same(data, noise(data, 12))


def test_clusters_of_near_copies_far_from_the_origin():
    """Rows around 100, 10^-3 apart within five clusters: products cancel, lists measure differences."""
    rng = np.random.default_rng(1)
    rows = 100 + rng.normal(size=(5, 1, 4)) + 1e-3 * rng.normal(size=(5, 300, 4))
    data = TrainingSet(rows.reshape(-1, 4).astype(np.float32))
    assert_same(data, noise(data, 12))


def test_more_duplicates_than_a_list_holds():
    data = random_set(10, 3, 0, repeats=200)
    assert_same(data, noise(data, 12))


def test_rows_are_scanned_only_while_many_matter(monkeypatch):
    """n = 3000, d = 64: rows collapse around t = s / (1 + s) = .35, s^2 = n^(2/d) - 1; from .75 on none is read."""
    scanned = []
    original = Scanner.__call__
    monkeypatch.setattr(Scanner, "__call__", lambda self, x, alpha, *rest, **options:
                        scanned.append((alpha, len(x))) or original(self, x, alpha, *rest, **options))
    data = random_set(3000, 64, 0)
    closed_form_states(ClosedFormField(data), noise(data, 32), time_grid(100), [1.0])
    assert 0.35 < max(alpha for alpha, _ in scanned) < 0.75
    assert scanned[0] == (0.0, 32) and scanned[-1][1] < 32


def test_bound_holds_for_every_row_that_is_not_listed():
    """Along the walk, against all log-weights by differences."""
    data = random_set(5000, 3, 3)
    walk, rows = Walk(ClosedFormField(data), noise(data, 10)), data[:].double()
    grid, checked = time_grid(200), 0
    for start, stop in zip(grid[:-2], grid[1:-1], strict=True):
        walk.advance(walk.means(start), start, stop)
        logs = -(walk.x[:, None] - stop * rows).square().sum(2) / (2 * (1 - stop) ** 2)
        logs[walk.lists.point, walk.lists.row] = -torch.inf
        inside = walk.active & walk.listed
        checked += int(inside.sum())
        assert bool((logs.amax(1) <= walk.bound + 1e-9)[inside].all())
    assert checked > 50

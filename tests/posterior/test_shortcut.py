"""The nearest rows' posterior: its bound is above the true share left out, and it answers within it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmdiag.datasets import TrainingSet
from fmdiag.paths import CosinePath, LinearPath, VPPath
from fmdiag.posterior import EmpiricalPosterior
from fmdiag.posterior.shortcut import NearestPosterior


def points(data, t, path, b=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(data.n, (b,), generator=generator)
    x0 = torch.randn(b, *data.shape, generator=generator, dtype=torch.float64)
    return path.sample(x0, data[rows.numpy()].double(), t), rows


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 200), dim=st.integers(1, 64), k=st.integers(1, 40), t=st.floats(0.01, 1 - 1e-6),
       scale=st.sampled_from([1e-2, 1.0, 100.0]), repeats=st.integers(1, 4), shift=st.sampled_from([0.0, 30.0]),
       seed=st.integers(0, 50))
def test_bound_is_above_the_true_share_left_out(n, dim, k, t, scale, repeats, shift, seed):
    rows = shift + scale * np.random.default_rng(seed).normal(size=(n, dim))
    data = TrainingSet(np.repeat(rows, repeats, axis=0).astype(np.float32))
    x, _ = points(data, t, LinearPath(), seed=seed)
    shortcut = NearestPosterior(data, k=k)
    fetched, unseen = shortcut._fetch(x / t, min(k, data.n))
    alpha, sigma = torch.full((len(x),), t, dtype=torch.float64), torch.full((len(x),), 1 - t, dtype=torch.float64)
    found = shortcut._posterior(x, alpha, sigma, fetched, unseen)
    logs = -(x[:, None] - t * data[:].double()).square().sum(2) / (2 * (1 - t) ** 2)
    weights = torch.softmax(logs, 1)
    assert all(len(set(row)) == len(row) for row in fetched.tolist())
    left_out = weights.scatter(1, fetched, 0.0).sum(1)
    # The sum of at most 800 float64 weights is right to 1e-13.
    assert bool((left_out <= found.dropped_mass + 1e-13).all())


@pytest.mark.parametrize("path", [LinearPath(), CosinePath(), VPPath()], ids=lambda path: path.name)
@pytest.mark.parametrize("t", [0.0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("dim", [2, 200])
def test_answers_are_the_full_posterior_within_the_bound(path, t, dim):
    data = TrainingSet(np.random.default_rng(0).normal(size=(1000, dim)).astype(np.float32))
    x, rows = points(data, t, path)
    found = NearestPosterior(data, path)(x, t, source_rows=rows)
    full = EmpiricalPosterior(data, path)(x, t, source_rows=rows)
    assert bool((found.dropped_mass <= 1e-6).all())
    # A share of 1e-6 left out moves weights by as much, the mean by that times the extent of the data (about 30).
    for name, atol in {"mean": 3e-5, "top_weight": 2e-6, "source_weight": 2e-6, "log_density": 2e-6}.items():
        torch.testing.assert_close(getattr(found, name), getattr(full, name), rtol=1e-9, atol=atol)
    assert torch.equal(found.top_row, full.top_row) or t == 0.0


def test_late_times_need_no_scan(monkeypatch):
    data = TrainingSet(np.random.default_rng(0).normal(size=(3000, 100)).astype(np.float32))
    x, rows = points(data, 0.8, LinearPath())
    shortcut = NearestPosterior(data)
    monkeypatch.setattr(EmpiricalPosterior, "_chunk", None)
    assert torch.equal(shortcut(x, 0.8).top_row, rows)

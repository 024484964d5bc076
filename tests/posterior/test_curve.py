"""The shared curve against the plain posterior: every summary, every time, whatever the blocks and memory."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmdiag.datasets import TrainingSet
from fmdiag.paths import CosinePath, LinearPath, VPPath
from fmdiag.posterior import EmpiricalPosterior, Posterior
from fmdiag.posterior.curve import curve as curve_module
from fmdiag.sampling import draw_noise

TIMES = [0.0, 0.01, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.99, 0.999, 1 - 1e-6]


def make_set(n, dim, seed=0, scale=1.0, repeats=1):
    rows = np.random.default_rng(seed).normal(size=(n, dim)) * scale
    return TrainingSet(np.repeat(rows, repeats, axis=0).astype(np.float32))


def curve(engine, x0, x1, rows, times):
    """Collect the parts into one Posterior per time."""
    parts = [[] for _ in times]
    for k, pairs, posterior in engine.curve(x0, x1, rows, times):
        parts[k].append((pairs, posterior))
    found = []
    for time_parts in parts:
        order = torch.cat([pairs for pairs, _ in time_parts]).argsort()
        whole = Posterior.concatenate([posterior for _, posterior in time_parts])
        assert len(order) == len(x0)
        found.append({name: value[order] for name, value in vars(whole).items()})
    return found


def compare(data, path, times, b=12, seed=0, mass=1e-5, **options):
    g = torch.Generator().manual_seed(seed)
    rows = torch.randint(data.n, (b,), generator=g)
    x0, x1 = draw_noise(b, data.shape, generator=g), data[rows.numpy()]
    plain = EmpiricalPosterior(data, path)
    for t, got in zip(times, curve(EmpiricalPosterior(data, path, **options), x0, x1, rows, times), strict=True):
        xt = path.sample(x0.double(), x1.double(), t)
        expected = vars(plain(xt, t, source_rows=rows))
        spread = (data[:].double().std(correction=0).item() + 1e-6) * math.sqrt(data.dim)
        for name in ("top_weight", "source_weight", "entropy"):
            torch.testing.assert_close(got[name], expected[name], rtol=10 * mass, atol=mass, msg=f"{name} at t = {t}")
        torch.testing.assert_close(got["ess"], expected["ess"], rtol=10 * mass, atol=mass)
        torch.testing.assert_close(got["log_density"], expected["log_density"], rtol=1e-6, atol=1e-4)
        # Rows are summed in float32, whose rounding is relative to the rows themselves.
        bound = 5 * mass * spread + 1e-6 * data[:].abs().max().item() * math.sqrt(data.dim)
        assert (got["mean"] - expected["mean"]).flatten(1).norm(dim=1).max() < bound, t
        rounding = 1e-6 * (3 + data[:].abs().max().item()) ** 2   # of sums in float32
        torch.testing.assert_close(got["variance"], expected["variance"], rtol=1e-4,
                                   atol=10 * mass * spread**2 + rounding)
        # Where two rows weigh the same to rounding, either may be named.
        named = torch.isclose(got["top_weight"], expected["top_weight"], rtol=1e-4)
        assert bool(named.all())


@pytest.mark.parametrize("path", [LinearPath(), LinearPath(1e-3), CosinePath(), VPPath()], ids=lambda path: path.name)
@pytest.mark.parametrize("dim", [2, 40, 500])
def test_curve_equals_the_plain_posterior(path, dim):
    compare(make_set(1500, dim), path, TIMES)


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 300), dim=st.sampled_from([1, 3, 70]), scale=st.sampled_from([1e-2, 1.0, 10.0]),
       repeats=st.integers(1, 3), block=st.integers(1, 400), memory=st.sampled_from([10_000, 1 << 20, 1 << 30]),
       seed=st.integers(0, 3))
def test_curve_of_any_set(n, dim, scale, repeats, block, memory, seed):
    compare(make_set(n, dim, seed, scale, repeats), LinearPath(), TIMES, seed=seed, block_rows=block, memory=memory)


@pytest.mark.parametrize("list_ess", [1, 1024, 10**9], ids=["lists", "default", "differences"])
@pytest.mark.parametrize("t", [0.9, 0.99, 0.999, 0.99999])
def test_velocity_at_late_times_in_the_plane(monkeypatch, list_ess, t):
    """Weights are right to 2^-23 of themselves, rows to float64: 1e-5 of the velocity leaves room for 100 roundings."""
    monkeypatch.setattr(curve_module, "LIST_ESS_LOW", list_ess)
    data, rows = make_set(4000, 2), torch.arange(0, 4000, 300)
    x1, x0 = data[rows.numpy()], torch.randn(len(rows), 2, generator=torch.Generator().manual_seed(1))
    (got,) = curve(EmpiricalPosterior(data, LinearPath()), x0, x1, rows, [t])
    x, every = t * x1.double() + (1 - t) * x0.double(), data[:].double()
    distances = torch.cdist(x, t * every, compute_mode="donot_use_mm_for_euclid_dist")
    weights = torch.softmax(-distances.square() / (2 * (1 - t) ** 2), 1)
    exact, found = (weights @ every - x) / (1 - t), (got["mean"].double() - x) / (1 - t)
    assert ((found - exact).norm(dim=1) / exact.norm(dim=1)).max() < 1e-5


def test_times_may_come_in_any_order():
    compare(make_set(200, 8), LinearPath(), [0.9, 0.1, 0.5, 0.1])


def test_flips_and_bytes():
    images = np.random.default_rng(0).integers(0, 256, (90, 3, 8, 8), dtype=np.uint8)
    compare(TrainingSet(images, 127.5, -1.0, hflip=True), LinearPath(), TIMES, memory=100_000)


def test_noise_parallel_to_a_difference_of_rows():
    """A crafted x0 whose weights beside x1 exceed what float32 could exponentiate: e^(|x0|^2 / 2)."""
    data = make_set(50, 70)
    rows = torch.tensor([0])
    x1 = data[[0]]
    x0 = 4 * (data[[7]] - x1)
    for t in (0.05, 0.2, 0.5, 0.9):
        got = curve(EmpiricalPosterior(data), x0, x1, rows, [t])[0]
        xt = LinearPath().sample(x0.double(), x1.double(), t)
        expected = EmpiricalPosterior(data)(xt, t, source_rows=rows)
        torch.testing.assert_close(got["top_weight"], expected.top_weight, rtol=1e-4, atol=1e-6)
        assert got["top_row"].item() == expected.top_row.item()


def test_duplicates_share_the_weight_at_every_time():
    data = make_set(40, 100, repeats=2)
    rows = torch.arange(0, 80, 7)
    x0 = draw_noise(len(rows), data.shape, generator=torch.Generator().manual_seed(0))
    got = curve(EmpiricalPosterior(data), x0, data[rows.numpy()], rows, [0.9, 0.999, 1 - 1e-6])
    for found in got:
        assert (found["source_weight"] - 0.5).abs().max() < 1e-9
        assert found["variance"].max() < 1e-9


@settings(deadline=None, max_examples=40)
@given(n=st.integers(2, 400), dim=st.sampled_from([1, 2, 70]), scale=st.sampled_from([0.03, 1.0, 5.0]),
       repeats=st.integers(1, 3), t=st.floats(0.0, 0.9999), seed=st.integers(0, 10))
def test_dropped_mass_bounds_what_is_missing(n, dim, scale, repeats, t, seed):
    """||D - D_exact|| <= 2 dropped * diameter + rounding, by the definition of a mean over the kept share."""
    data = make_set(n, dim, seed, scale, repeats)
    g = torch.Generator().manual_seed(seed)
    rows = torch.randint(data.n, (6,), generator=g)
    x0, x1 = draw_noise(6, data.shape, generator=g), data[rows.numpy()]
    got = curve(EmpiricalPosterior(data, block_rows=16), x0, x1, rows, [t])[0]
    x = data[:].double()
    xt = LinearPath().sample(x0.double(), x1.double(), t)
    weights = torch.softmax(-(xt[:, None] - t * x).square().sum(2) / (2 * (1 - t) ** 2), 1)
    diameter = torch.cdist(x, x).max().item()
    gap = (got["mean"] - weights @ x).norm(dim=1)
    assert bool((gap <= 2 * got["dropped_mass"] * diameter + 2e-6 * (diameter + x.abs().max().item())).all())

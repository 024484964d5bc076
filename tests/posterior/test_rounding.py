"""The stated bounds against the definition in extended precision: no weight or mean is further off than they say.

The oracle is NumPy's long double, whose unit roundoff of 5e-20 leaves 1e-17 after sums over some hundred rows.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.paths import LinearPath
from fmdiag.posterior import EmpiricalPosterior, Posterior
from fmdiag.posterior.curve import curve as curve_module
from fmdiag.posterior.rounding import ProbedErrors, RowProbes
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import draw_noise

EXTENDED = np.finfo(np.longdouble).eps < 1e-18
pytestmark = pytest.mark.skipif(not EXTENDED, reason="no extended precision on this machine")


def exact(data, x, t):
    """Return (weights, means) by their definition, long double, from x (long double) one point at a time."""
    rows, t, weights = data[:].double().flatten(1).numpy().astype(np.longdouble), np.longdouble(t), []
    for point in x:
        logs = -np.square(point - t * rows).sum(1) / (2 * (1 - t) ** 2)
        weights.append(np.exp(logs - logs.max()))
        weights[-1] /= weights[-1].sum()
    return np.stack(weights), np.stack(weights) @ rows


def within(found, weights, means, rows):
    """Assert every bound of a Posterior of points made by `rows`."""
    gap = np.sqrt(np.square(found.mean.flatten(1).numpy() - means).sum(1))
    assert (gap <= found.mean_error.numpy()).all(), (gap / found.mean_error.numpy()).max()
    for got, true in ((found.top_weight, weights.max(1)), (found.source_weight, weights[np.arange(len(rows)), rows])):
        assert (np.abs(got.numpy() - true) <= found.dropped_mass.numpy()).all()
    assert bool((found.dropped_mass <= 1).all()) and bool((found.dropped_mass > 0).all())


def pairs_of(data, b, seed):
    g = torch.Generator().manual_seed(seed)
    rows = torch.randint(data.n, (b,), generator=g)
    return draw_noise(b, data.shape, generator=g), data[rows.numpy()], rows


def check_curve(data, times, b=8, seed=0, **options):
    x0, x1, rows = pairs_of(data, b, seed)
    for k, pairs, found in EmpiricalPosterior(data, **options).curve(x0, x1, rows, times):
        t = np.longdouble(times[k])
        x = (1 - t) * x0[pairs].double().flatten(1).numpy() + t * x1[pairs].double().flatten(1).numpy()
        within(found, *exact(data, x, times[k]), rows[pairs].numpy())


SETS = {"n": st.integers(1, 200), "dim": st.sampled_from([1, 2, 8, 9, 40, 70, 300]), "t": st.floats(0.0, 1 - 1e-6),
        "scale": st.sampled_from([1e-3, 0.3, 1.0, 30.0]), "shift": st.sampled_from([0.0, 30.0]),
        "repeats": st.integers(1, 3), "seed": st.integers(0, 20)}


def make_set(n, dim, scale, shift, repeats, seed):
    rows = shift + scale * np.random.default_rng(seed).normal(size=(n, dim))
    return TrainingSet(np.repeat(rows, repeats, axis=0).astype(np.float32))


@settings(deadline=None, max_examples=30)
@given(block=st.integers(1, 300), memory=st.sampled_from([20_000, 1 << 28]), **SETS)
def test_fault_4_2_bounds_of_the_curve(n, dim, t, scale, shift, repeats, seed, block, memory):
    data = make_set(n, dim, scale, shift, repeats, seed)
    check_curve(data, [t, 0.2, 0.9], seed=seed, block_rows=block, memory=memory)


@settings(deadline=None, max_examples=20)
@given(dtype=st.sampled_from([torch.float32, torch.float64]), block=st.integers(1, 300), **SETS)
def test_fault_4_2_bounds_of_a_call(n, dim, t, scale, shift, repeats, seed, block, dtype):
    data = make_set(n, dim, scale, shift, repeats, seed)
    x0, x1, rows = pairs_of(data, 6, seed)
    x = LinearPath().sample(x0.double(), x1.double(), t).to(dtype)
    weights, means = exact(data, x.double().flatten(1).numpy().astype(np.longdouble), t)
    within(EmpiricalPosterior(data, block_rows=block)(x, t, source_rows=rows), weights, means, rows.numpy())


@pytest.mark.parametrize("list_ess", [1, 10**9], ids=["lists", "dense"])
def test_fault_4_2_few_dimensions_are_float64_at_every_time(monkeypatch, list_ess):
    """û* = (D - x) / (1 - t): an error of D by 1e-12 is one of û* by 1e-9 at t = .999, and the bounds are as small."""
    monkeypatch.setattr(curve_module, "LIST_ESS_LOW", list_ess)
    data, times = load_dataset("two-moons-3000"), [0.01, 0.5, 0.8, 0.9, 0.99, 0.999]
    check_curve(data, times, b=16)
    x0, x1, rows = pairs_of(data, 16, 0)
    found = Posterior.concatenate([part for *_, part in EmpiricalPosterior(data).curve(x0, x1, rows, times)])
    assert found.mean_error.max() < 1e-9 and found.dropped_mass.max() < 1e-10


def test_bounds_in_image_dimensions_say_something():
    """Products of 3072 terms in float32 are off by 1e-6; their worst case is about 1, the bound is far below."""
    images = np.random.default_rng(0).integers(0, 256, (300, 3, 32, 32), dtype=np.uint8)
    data, times = TrainingSet(images, 127.5, -1.0), [0.02, 0.1, 0.2, 0.5, 0.9]
    check_curve(data, times, b=6)
    x0, x1, rows = pairs_of(data, 6, 0)
    for *_, found in EmpiricalPosterior(data).curve(x0, x1, rows, times):
        assert found.dropped_mass.max() < 2e-3


@pytest.mark.parametrize("outliers", [0, 1, 30])
def test_probed_norms_are_above_the_true_ones_and_not_far(outliers):
    """Errors of one size, in one row alone, or in a tenth: a Gaussian probe sees their norm whatever their places."""
    rng = np.random.default_rng(0)
    x0, x1, rows = (torch.from_numpy(rng.normal(size=(k, 20))) for k in (50, 50, 300))
    linear = x0 @ rows.T - (x0 * x1).sum(1, keepdim=True)
    quadratic = -torch.cdist(x1, rows, compute_mode="donot_use_mm_for_euclid_dist").square() / 2
    error = torch.from_numpy(rng.normal(size=(50, 300))) * 1e-6
    if outliers:
        error[:, outliers:] = 0
    center, of_rows = torch.from_numpy(rng.normal(size=20)), RowProbes(20, "cpu")
    of_rows.add(0, rows, center)
    of_rows.begin()   # that pass did not reach its end
    for complete in (False, True):
        of_rows.complete, probes = complete, ProbedErrors(x0, x1, of_rows)
        for first in (0, 100):
            block = slice(first, 300 if first else 100)
            g = of_rows.add(first, rows[block] + center, center)
            probes.add(g, (linear + error)[:, block], (quadratic - error)[:, block])
        for norms in probes.norms(SINGLE):
            assert bool((norms >= error.norm(dim=1)).all()) and bool((norms <= 15 * error.norm(dim=1)).all())

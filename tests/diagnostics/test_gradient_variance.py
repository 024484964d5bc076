"""The estimator of the gradient variance: explicit gradients, exact unbiasedness, batching, and where it peaks."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import fmdiag
from fmdiag.diagnostics.gradient_variance import couplings
from fmdiag.diagnostics.gradient_variance import measure as gradient_variance
from fmdiag.diagnostics.gradient_variance.measure import jackknife, measure, summarise, variance
from fmdiag.diagnostics.gradient_variance.per_sample import PerSampleGradients
from fmdiag.errors import FmdiagError
from fmdiag.fields import NetworkField, build_network

MLP = {"name": "mlp", "shape": [3], "width": 8, "depth": 2}
UNET = {"name": "unet2d", "shape": [1, 8, 8], "channels": [4, 4], "layers": 1, "attention": [4], "dropout": 0.3}


def field_of(spec, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = build_network(spec)
        for parameter in module.parameters():
            parameter.data.add_(0.1 * torch.randn(parameter.shape))
    return NetworkField(module.eval(), spec["shape"])


def batch(shape, n, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(n, *shape, generator=generator), torch.rand(n, generator=generator),
            torch.randn(n, *shape, generator=generator))


def explicit(field, x, t, target):
    """Return all per-sample gradients, shape (n, p), by one backward pass each."""
    rows = []
    for k in range(len(x)):
        loss = (field.module(x[k : k + 1], t[k : k + 1]) - target[k]).square().sum()
        parts = torch.autograd.grad(loss, list(field.module.parameters()))
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows).double()


@pytest.mark.parametrize(("spec", "method"), [(MLP, "vmap"), (MLP, "loop"), (UNET, "auto"), (UNET, "loop")],
                         ids=["mlp-vmap", "mlp-loop", "unet2d-auto", "unet2d-loop"])
def test_agrees_with_explicit_gradients(spec, method):
    field, (x, t, target) = field_of(spec), batch(spec["shape"], 3)
    g = explicit(field, x, t, target)
    losses, norms, inner = PerSampleGradients(field, method=method)(x, t, target)
    # float32 gradients: relative 1e-6 of the largest.
    assert torch.allclose(norms, g.square().sum(1), rtol=2e-6)
    assert torch.allclose(inner, g @ g.mean(0), rtol=1e-5, atol=1e-6 * float(norms.max()))
    found, wanted = variance(norms.numpy(), inner.numpy()), g.var(dim=0).sum()
    assert float(found[0]) == pytest.approx(float(wanted), rel=2e-6)
    assert all(p.grad is None and p.requires_grad for p in field.module.parameters())


def test_in_float64_it_agrees_to_rounding():
    field, (x, t, target) = field_of(MLP), batch([3], 9)
    field.module.double()
    x, t, target = x.double(), t.double(), target.double()
    g = explicit(field, x, t, target)
    _, norms, inner = PerSampleGradients(field)(x, t, target)
    spread, square, relative = variance(norms.numpy(), inner.numpy())
    assert float(spread) == pytest.approx(float(g.var(dim=0).sum()), rel=1e-10)
    assert float(square) == pytest.approx(float(g.mean(0).square().sum() - g.var(dim=0).sum() / 9), rel=1e-9)


def test_chunks_change_nothing_but_rounding():
    field, (x, t, target) = field_of(MLP), batch([3], 11)
    whole = PerSampleGradients(field)(x, t, target)
    in_twos = PerSampleGradients(field, budget=2 * 4 * (sum(p.numel() for p in field.module.parameters()) + 3 * 2048))
    assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-7) for a, b in zip(in_twos(x, t, target), whole, strict=True))
    assert in_twos.at_once == 2


def sums(sample):
    """Return (||g_i||^2, <g_i, gbar>) of gradients (n, p)."""
    return np.square(sample).sum(1), sample @ sample.mean(0)


def test_unbiased_by_enumeration():
    """Over all ordered samples of 3 from a population of 4, drawn with replacement, the mean estimate is the truth."""
    population = np.random.default_rng(0).normal(size=(4, 3)) + [1.0, 0.0, -2.0]
    estimates = [variance(*sums(population[list(rows)]))[:2] for rows in itertools.product(range(4), repeat=3)]
    spread, square = np.mean(estimates, axis=0)
    assert spread == pytest.approx(population.var(axis=0).sum(), rel=1e-12)
    assert square == pytest.approx(np.square(population.mean(0)).sum(), rel=1e-12)


def test_the_jackknife_leaves_one_out():
    sample = np.random.default_rng(1).normal(size=(7, 3)) + 2
    value, low, high = jackknife(*sums(sample))["variance"]
    left = np.array([variance(*sums(np.delete(sample, i, axis=0)))[0] for i in range(7)])
    error = np.sqrt(6 / 7 * np.square(left - left.mean()).sum())
    assert (low + high) / 2 == pytest.approx(value) and (high - low) / 2 == pytest.approx(2.446911851 * error, rel=1e-8)


def test_jackknife_intervals_cover_the_variance():
    """400 samples of 40 normal gradients: coverage 0.95 +- 0.01 (heavy tails lower it a little); 0.9 to 0.99 passes."""
    rng, hits = np.random.default_rng(2), 0
    for _ in range(400):
        value, low, high = jackknife(*sums(rng.normal(size=(40, 5)) + 1))["variance"]
        hits += low <= 5 <= high
    assert 0.9 <= hits / 400 <= 0.99


def test_only_the_named_layers_are_counted():
    field, (x, t, target) = field_of(MLP), batch([3], 4)
    patterns = ("time.*", "enter.*", "blocks.*", "leave.*")
    parts = [PerSampleGradients(field, [pattern])(x, t, target)[1] for pattern in patterns]
    assert torch.allclose(sum(parts), PerSampleGradients(field)(x, t, target)[1], rtol=1e-5)
    assert PerSampleGradients(field, ["leave.1.bias"]).n_parameters == 3
    with pytest.raises(FmdiagError, match=r"no parameter matches --layers nothing\*: names are like"):
        PerSampleGradients(field, ["nothing*"])


def measured(field, **options):
    train = fmdiag.load_dataset("gaussian-3-200")
    return measure(field, train, n_samples=24, generator=torch.Generator().manual_seed(0), **options)


def test_without_noise_all_three_targets_are_one():
    """On the path itself (x1 - x_t)/(1 - t) = x1 - x0 = -(x0 - x_t)/t."""
    targets = ("velocity", "forward", "backward")
    tables = [measured(field_of(MLP), target=target, times=[0.25, 0.5]) for target in targets]
    for table in tables[1:]:
        assert np.allclose(table["squared_norm"], tables[0]["squared_norm"], rtol=1e-4)


def curve(table):
    rows = summarise(table)
    return rows[rows["quantity"] == "variance"].set_index("t")["value"]


@pytest.mark.parametrize("points", ["interpolated", "integrated"])
def test_p4_noise_makes_forward_peak_at_data_and_backward_at_noise(points):
    times, field = [0.02, 0.3, 0.7, 0.98], field_of(MLP)
    forward = curve(measured(field, target="forward", sigma=0.05, times=times, points=points))
    backward = curve(measured(field, target="backward", sigma=0.05, times=times, points=points))
    assert forward.idxmax() == 0.98
    assert backward.idxmax() == 0.02 or points == "integrated"


def test_times_that_are_looked_at_add_no_steps():
    """The zero-loss field of the half turn stays on its lines although t = 1/2, where all meet, is looked at."""
    from fmdiag.diagnostics.pairing.measure import crossing_pairs
    from fmdiag.fields import FixedPairsField

    pairs = crossing_pairs(20, 2, generator=torch.Generator().manual_seed(0))

    class WithModule(FixedPairsField):
        module = field_of(MLP).module

    field = WithModule(pairs.x0, pairs.x1)
    states, at_grid = {}, (pairs.x0, 0)
    for t in (0.5, 0.9):
        at_grid = gradient_variance.advance(field, *at_grid, int(51 * t), 51)
        states[t] = gradient_variance.integrate(field, at_grid[0], [at_grid[1] / 51, t])
    assert torch.allclose(states[0.9], 0.1 * pairs.x0 + 0.9 * pairs.x1, atol=1e-5)


def test_bridge_noise_has_its_corrected_target():
    """d/dt of x_t = (1-t) x0 + t x1 + gamma(t) z by differences."""
    from fmdiag.training.interpolants import Interpolant

    path, (x0, x1, z) = Interpolant(0.3, "bridge"), (part.double() for part in batch([2], 5)[:1] * 3)
    x1, z, h = x1 + 1, z * 2, 1e-6
    target = path.target("velocity", x0, x1, path.point(x0, x1, 0.3, z), 0.3, z)
    numeric = (path.point(x0, x1, 0.3 + h, z) - path.point(x0, x1, 0.3 - h, z)) / (2 * h)
    assert torch.allclose(target, numeric, rtol=1e-7, atol=1e-8)


def test_couplings():
    train, generator = fmdiag.load_dataset("gaussian-2-64"), torch.Generator().manual_seed(3)
    x0, x1 = couplings.coupled_pairs("ot", train, 40, generator=generator)
    cost = torch.cdist(x0, x1).square()
    assert all(cost[i, i] + cost[j, j] <= cost[i, j] + cost[j, i] + 1e-5 for i in range(40) for j in range(i))
    x0, x1 = couplings.coupled_pairs("rotated", train, 40, angle=180.0, generator=torch.Generator().manual_seed(3))
    assert (x0 * x1).sum() < 0, "a half turn pairs opposite sides"
    turned = couplings.rotate(torch.tensor([[1.0, 0.0, 2.0]]), 90.0)
    assert torch.allclose(turned, torch.tensor([[0.0, 1.0, 2.0]]), atol=1e-6)
    x0, x1 = couplings.coupled_pairs("ot-batch", train, 40, batch=10, generator=generator)
    assert x0.shape == x1.shape == (40, 2)


def test_a_foreign_field_is_differentiated_through_its_convention():
    """The bundled digits model asked as a native module and as a field that only calls itself agree."""
    field = field_of(MLP)

    class Wrapped:
        def __init__(self):
            self.module, self.foreign = field.module, object()

        @torch.no_grad()
        def __call__(self, x, t):
            return -self.module(x, 1 - t)


    x, t, target = batch([3], 5)
    native = PerSampleGradients(field, sign=-1.0)(x, 1 - t, target)
    foreign = PerSampleGradients(Wrapped())(x, t, target)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(native, foreign, strict=True))


@pytest.mark.parametrize(("options", "words"), [
    ({"sigma": -0.1}, "sigma must be 0 or more"), ({"target": "forward", "times": [1.0]}, r"must be in \[0, 1\)"),
    ({"target": "backward", "times": [0.0]}, r"must be in \(0, 1\]"), ({"target": "sideways"}, "unknown target"),
    ({"coupling": "other"}, "unknown coupling"), ({"coupling": "fixed"}, "--pairs"),
    ({"points": "x"}, "unknown points"),
    ({"sigma": 0.1, "noise": "bridge", "times": [0.0]}, r"must be in \(0, 1\)")])
def test_bad_settings(options, words):
    with pytest.raises(FmdiagError, match=words):
        measured(field_of(MLP), **options)


def test_a_field_without_parameters_is_refused():
    with pytest.raises(FmdiagError, match="need a network"):
        PerSampleGradients(lambda x, t: -x)
    assert gradient_variance.NAME == "gradient-variance"


def peak_bytes():
    """Return the largest resident size of this process since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's /proc")
def test_memory_does_not_grow_with_the_number_of_samples():
    """60 gradients of 3.2 M parameters are 770 MB together; a few at a time and their sum stay below 300 MB."""
    field, (x, t, target) = field_of({"name": "mlp", "shape": [3], "width": 512, "depth": 4}), batch([3], 60)
    gradients = PerSampleGradients(field, budget=1 << 25)
    gradients(x[:3], t[:3], target[:3])
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_bytes()
    gradients(x, t, target)
    assert gradients.n_parameters * 4 * 60 > 7e8
    assert peak_bytes() - before < 3e8

"""The posterior and û* against float64 brute force from the definition, and where expansions go wrong."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.fields import ClosedFormField
from fmdiag.paths import CosinePath, CustomPath, LinearPath, VPPath
from fmdiag.posterior import EmpiricalPosterior

PATHS = {
    "linear": LinearPath(),
    "sigma_min": LinearPath(sigma_min=1e-3),
    "cosine": CosinePath(),
    "vp": VPPath(),
    "custom": CustomPath(lambda t: t**2, lambda t: 1 - t),
}
TIMES = [0.0, 0.01, 0.2, 0.5, 0.9, 0.99, 0.999, 1 - 1e-6]


def make_set(n, dim, seed=0, scale=1.0, dtype=np.float32):
    rows = np.random.default_rng(seed).normal(size=(n, dim)) * scale
    return TrainingSet(rows.astype(dtype))


def brute_force(training_set, x, t, path):
    """Weights and velocity by their definition: explicit differences, one query at a time, float64."""
    rows = training_set[:].double().reshape(training_set.n, -1)
    points = x.double().reshape(x.shape[0], -1)
    t = torch.as_tensor(t, dtype=torch.float64).expand(x.shape[0])
    alpha, sigma, d_alpha, d_sigma = path.alpha(t), path.sigma(t), path.d_alpha(t), path.d_sigma(t)
    weights, velocities = [], []
    for q in range(len(points)):
        square = (points[q] - alpha[q] * rows).square().sum(1)
        weights.append(torch.softmax(-square / (2 * sigma[q] ** 2), 0))
        mean = weights[-1] @ rows
        velocities.append(d_alpha[q] * mean + d_sigma[q] / sigma[q] * (points[q] - alpha[q] * mean))
    return torch.stack(weights), torch.stack(velocities).reshape(x.shape)


def queries(training_set, t, path, seed=1, b=9, dtype=torch.float32):
    """Points x_t of the path itself, where û* is used."""
    g = torch.Generator().manual_seed(seed)
    chosen = torch.randint(training_set.n, (b,), generator=g)
    x0 = torch.randn(b, *training_set.shape, generator=g, dtype=torch.float64)
    return path.sample(x0, training_set[chosen.numpy()].double(), t).to(dtype), chosen


def relative_error(got, expected):
    return ((got.double() - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("dim", [2, 3072])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_velocity_equals_brute_force(name, t, dim, dtype, bound):
    data, path = make_set(101, dim), PATHS[name]
    x, _ = queries(data, t, path, dtype=dtype)
    got = ClosedFormField(data, path, block_rows=17)(x, t)
    assert got.dtype == dtype
    assert relative_error(got, brute_force(data, x, t, path)[1]) < bound


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 70), dim=st.integers(1, 12), block=st.integers(1, 80), scale=st.sampled_from([1e-3, 1.0, 30.0]),
       t=st.floats(0.0, 1 - 1e-6), repeats=st.integers(1, 3), seed=st.integers(0, 5))
def test_summaries_equal_their_definitions(n, dim, block, scale, t, repeats, seed):
    rows = np.repeat(np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32) * scale, repeats, axis=0)
    data, path = TrainingSet(rows), LinearPath()
    x, source = queries(data, t, path, seed=seed, dtype=torch.float64)
    got = EmpiricalPosterior(data, path, block_rows=block)(x, t, source_rows=source)
    weights, _ = brute_force(data, x, t, path)
    # Weights are exact to the rounding of l_i: |l_i| up to 1e3 here at 1e-16 relative, 1e-11 where refinement stops.
    close = {"rtol": 1e-7, "atol": 1e-9}
    torch.testing.assert_close(got.top_weight, weights.max(1).values, **close)
    torch.testing.assert_close(got.source_weight, weights[torch.arange(len(x)), source], **close)
    torch.testing.assert_close(got.ess, 1 / weights.square().sum(1), **close)
    entropy = torch.special.entr(weights).sum(1) / (math.log(data.n) if data.n > 1 else 1)
    torch.testing.assert_close(got.entropy, entropy, **close)
    mean = weights @ data[:].double()
    torch.testing.assert_close(got.mean, mean, rtol=1e-7, atol=1e-9 * scale)
    spread = (weights * (data[:].double() - mean[:, None]).square().sum(2)).sum(1)
    torch.testing.assert_close(got.variance, spread, rtol=1e-6, atol=1e-10 * max(1, scale**2))
    picked = weights[torch.arange(len(x)), got.top_row]
    torch.testing.assert_close(picked, weights.max(1).values, **close)
    # |l| up to 1e3 and, before differences take over, terms that cancel up to 1e-11 of it: never what could be felt.
    assert bool((got.dropped_mass <= 1e-8).all())


def test_log_density_is_that_of_the_mixture():
    data, path, t = make_set(20, 3), LinearPath(), 0.4
    x, _ = queries(data, t, path, dtype=torch.float64)
    components = torch.distributions.Normal(t * data[:].double(), 1 - t)
    expected = torch.logsumexp(components.log_prob(x[:, None]).sum(-1), 1) - math.log(20)
    torch.testing.assert_close(EmpiricalPosterior(data, path)(x, t).log_density, expected)


def test_one_row_is_pulled_straight_to_it():
    data = make_set(1, 5)
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ClosedFormField(data)(x, 0.7), (data[[0]] - x) / 0.3, rtol=1e-6, atol=1e-6)


def test_two_symmetric_rows_share_the_midpoint():
    data = TrainingSet(np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32))
    found = EmpiricalPosterior(data)(torch.tensor([[0.0, 0.3]]), 0.999)
    assert found.top_weight.item() == pytest.approx(0.5, abs=1e-12)
    assert found.ess.item() == pytest.approx(2.0, abs=1e-12)


def test_at_time_zero_every_row_weighs_the_same():
    data = make_set(33, 4)
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ClosedFormField(data)(x, 0.0), data[:].mean(0) - x, rtol=1e-6, atol=1e-6)
    assert EmpiricalPosterior(data)(x, 0.0).entropy.sub(1).abs().max() < 1e-12


def test_parent_keeps_its_weight_where_float32_expansions_lose_it():
    """PAPERS: at d = 3072 and t = .999 an expansion in float32 puts the parent's logit off by 231."""
    data, path = make_set(50, 3072), LinearPath()
    x, source = queries(data, 0.999, path)
    found = EmpiricalPosterior(data)(x, 0.999, source_rows=source)
    assert bool((found.source_weight == 1).all())
    true = (x.double() - 0.999 * data[source.numpy()].double()).square().sum(1) / (2 * (1 - 0.999) ** 2)
    log_joint = found.log_density + math.log(50) + 0.5 * 3072 * math.log(2 * math.pi * (1 - 0.999) ** 2)
    torch.testing.assert_close(log_joint, -true, rtol=1e-9, atol=1e-6)


def test_close_rows_far_from_the_origin_keep_exact_weights():
    """Rows around 100, 10^-3 apart, at sigma = 10^-3: an expansion in float64 is off by eps 10^5 / sigma^2 = 10^-5."""
    rows = (100 + 1e-3 * np.random.default_rng(0).normal(size=(60, 8))).astype(np.float64)
    data, path = TrainingSet(rows.astype(np.float32)), LinearPath()
    x, _ = queries(data, 0.999, path, dtype=torch.float64)
    weights, velocity = brute_force(data, x, 0.999, path)
    assert weights.max(1).values.min() < 0.9
    assert relative_error(ClosedFormField(data, block_rows=7)(x, 0.999), velocity) < 1e-9


def test_flips_are_rows():
    images = np.random.default_rng(0).integers(0, 256, (6, 1, 4, 4), dtype=np.uint8)
    flipped = TrainingSet(images, 127.5, -1.0, hflip=True)
    explicit = TrainingSet(np.concatenate([images, images[..., ::-1]]), 127.5, -1.0)
    x = torch.randn(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ClosedFormField(flipped)(x, 0.6), ClosedFormField(explicit)(x, 0.6))


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_any_stored_dtype_is_answered_in_model_range(dtype):
    rows = np.random.default_rng(0).integers(0, 256, (9, 1, 3, 3)).astype(dtype)
    data = TrainingSet(rows, 127.5, -1.0)
    x, _ = queries(data, 0.8, LinearPath())
    assert relative_error(ClosedFormField(data)(x, 0.8), brute_force(data, x, 0.8, LinearPath())[1]) < 1e-5


def test_blocks_batches_and_memory_change_only_rounding():
    data, path = make_set(1000, 6), LinearPath()
    t = torch.linspace(0.0, 0.999, 700, dtype=torch.float64)
    g = torch.Generator().manual_seed(3)
    x = path.sample(torch.randn(700, 6, generator=g), data[torch.randint(1000, (700,), generator=g).numpy()], t)
    reference = ClosedFormField(data)(x, t)
    for variant in ({"block_rows": 1}, {"block_rows": 333}, {"memory": 1000}):
        torch.testing.assert_close(ClosedFormField(data, **variant)(x, t), reference, rtol=1e-5, atol=1e-6)
    alone = torch.cat([ClosedFormField(data)(x[i : i + 1], t[i : i + 1]) for i in range(0, 700, 100)])
    torch.testing.assert_close(alone, reference[::100], rtol=1e-5, atol=1e-6)


def test_states_over_shards_merge_into_the_state_over_all():
    data = make_set(40, 3)
    from fmdiag.posterior.state import SoftmaxState

    rows, x = data[:].double(), torch.zeros(5, 3, dtype=torch.float64)
    logs = -torch.cdist(x + torch.arange(5)[:, None], rows).square() * 7
    states = []
    for part in ([(0, 40)], [(0, 13)], [(13, 40)]):
        state = SoftmaxState(5, 3, x.device)
        for a, b in part:
            state.add(logs[:, a:b].clone(), rows[a:b], rows[a:b].square().sum(1), a)
        states.append(state)
    whole, left, right = states
    right.merge(left)
    for name in ("max", "weight", "weight_squared", "weighted_log", "weighted_norm", "weighted_rows"):
        torch.testing.assert_close(getattr(right, name), getattr(whole, name))
    assert torch.equal(right.top_row, whole.top_row)


@pytest.mark.parametrize(("x", "t", "words"), [
    (torch.zeros(2, 4), 1.0, "singular"),
    (torch.zeros(2, 4), 1.5, "times must be in"),
    (torch.zeros(2, 5), 0.5, "shape"),
    (torch.full((2, 4), torch.nan), 0.5, "NaN"),
    (torch.zeros(2, 4), torch.zeros(3), "one per sample"),
])
def test_wrong_queries_are_refused(x, t, words):
    with pytest.raises(FmdiagError, match=words):
        ClosedFormField(make_set(5, 4))(x, t)

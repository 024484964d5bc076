"""û* of examples that are sampled anew: against sums over rows in float64, enumeration for three, and s = 0."""

import math

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.datasets.moments import sampled, with_moments, with_noise
from fmdiag.errors import FmdiagError
from fmdiag.fields import ClosedFormField
from fmdiag.paths import CosinePath, CustomPath, LinearPath
from fmdiag.posterior.guided import posterior_of
from fmdiag.sampling import closed_form_samples, draw_noise


def moments(n=11, shape=(4, 3), seed=0, least=-3.0):
    """Rows of 2C channels, means and log-variances; C = shape[0] / 2."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, *shape)).astype(np.float32)
    values[:, shape[0] // 2 :] = rng.uniform(least, 0.5, size=values[:, shape[0] // 2 :].shape)
    return values


def brute(means, deviations, x, alpha, sigma):
    """Return (weights, D, tr Cov, log density) at one point: every component of the mixture conditioned on x."""
    v = alpha**2 * deviations**2 + sigma**2
    logs = -0.5 * ((x - alpha * means) ** 2 / v + np.log(2 * np.pi * v)).sum(1)
    top = logs.max()
    weights = np.exp(logs - top)
    density = top + np.log(weights.mean())
    weights /= weights.sum()
    ends = means + alpha * deviations**2 / v * (x - alpha * means)
    mean = weights @ ends
    within = (deviations**2 * sigma**2 / v).sum(1)
    return weights, mean, weights @ (within + ((ends - mean) ** 2).sum(1)), density


TIMES = (0.0, 0.3, 0.8, 0.99)


@pytest.mark.parametrize("path", [LinearPath(), CosinePath()], ids=["linear", "cosine"])
@pytest.mark.parametrize("shared", [False, True])
def test_against_all_components_in_float64(path, shared):
    train = with_moments(TrainingSet(moments()), "mean-logvar", 0.5)
    if shared:
        train = with_noise(TrainingSet(moments()[:, :2]), 0.4)
    means = train[:].double().flatten(1).numpy()
    deviations = np.full_like(means, 0.4) if shared else train.spread[:].double().flatten(1).numpy()
    x = torch.randn(7, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    t = torch.tensor([TIMES[k % 4] for k in range(7)], dtype=torch.float64)   # several times in one call
    posterior = posterior_of(train, path)
    found = posterior(x, t, source_rows=torch.arange(7))
    field = ClosedFormField(train, path)(x, t)
    for k in range(7):
        alpha, sigma, d_alpha, d_sigma = (float(f(t[k])) for f in (path.alpha, path.sigma, path.d_alpha, path.d_sigma))
        point = x[k].flatten().numpy()
        weights, mean, variance, density = brute(means, deviations, point, alpha, sigma)
        np.testing.assert_allclose(found.mean[k].flatten(), mean, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(found.variance[k], variance, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(found.log_density[k], density, rtol=1e-10)
        np.testing.assert_allclose([found.top_weight[k], found.source_weight[k], 1 / found.ess[k]],
                                   [weights.max(), weights[k], (weights**2).sum()], rtol=1e-9, atol=1e-12)
        assert found.top_row[k] == weights.argmax() and found.mean_error[k] < 1e-8
        velocity = d_alpha * mean + d_sigma / sigma * (point - alpha * mean)
        np.testing.assert_allclose(field[k].flatten(), velocity, rtol=1e-9, atol=1e-9 * np.abs(velocity).max())


def test_three_components_by_hand():
    """Means 0, 1, 3 with deviations 1, 1/2, 2 at x = 1, t = 1/2: v = s²/4 + 1/4."""
    rows = np.array([[0.0, 1.0], [1.0, 0.5], [3.0, 2.0]], np.float32)
    train = with_moments(TrainingSet(rows), "mean-std")
    v = [0.5, 0.3125, 1.25]
    weights = [math.exp(-(1 - m / 2) ** 2 / (2 * w)) / math.sqrt(w) for m, w in zip((0, 1, 3), v, strict=True)]
    ends = [m + 0.5 * s**2 / w * (1 - m / 2) for m, s, w in zip((0, 1, 3), (1, 0.5, 2), v, strict=True)]
    expected = sum(a * b for a, b in zip(weights, ends, strict=True)) / sum(weights)
    found = posterior_of(train)(torch.ones(1, 1, dtype=torch.float64), 0.5).mean
    assert abs(found.item() - expected) < 1e-13


@pytest.mark.parametrize("t", [0.2, 0.9, 1 - 1e-5])
def test_without_deviation_it_is_the_empirical_posterior(t):
    values = moments(least=-3)
    values[:, 2:] = 0
    x = torch.tensor(values[:5, :2]).double() * t + (1 - t)
    plain = posterior_of(TrainingSet(values[:, :2]))(x, t)
    for train in (with_moments(TrainingSet(values), "mean-std"), with_noise(TrainingSet(values[:, :2]), 1e-12)):
        found = posterior_of(train)(x, t)
        for name in ("mean", "log_density", "top_weight", "ess", "entropy"):
            torch.testing.assert_close(getattr(found, name), getattr(plain, name), rtol=1e-9, atol=1e-9, msg=name)
    assert with_noise(TrainingSet(values), 0).spread is None


def test_near_the_data_rounding_is_mended_and_bounded():
    """At sigma = 1e-6 with deviations of 1e-7 the products alone would be off by more than 1."""
    values = 100 + moments(n=30, shape=(8, 5), seed=3)
    values[:, 4:] = 1e-7 * np.random.default_rng(0).uniform(1, 2, size=values[:, 4:].shape)
    train, t = with_moments(TrainingSet(values), "mean-std"), 1 - 1e-6
    means, deviations = train[:].double().flatten(1).numpy(), train.spread[:].double().flatten(1).numpy()
    x = torch.tensor(t * (means[:4] + means[4:8]) / 2).reshape(4, 4, 5)   # between two rows
    found = posterior_of(train)(x, t)
    for k in range(4):
        # In longdouble, as float64 differences of numbers near 100 are exact to 1e-14 / 1e-6.
        args = [np.asarray(a, np.longdouble) for a in (means, deviations, x[k].flatten().numpy())]
        _, mean, _, _ = brute(*args, np.longdouble(t), 1 - np.longdouble(t))
        error = np.linalg.norm(np.float64(found.mean[k].flatten().numpy() - mean))
        assert error <= found.mean_error[k]


def test_near_the_data_deviations_decide_between_equal_means():
    """At x = t mu + sigma z the weights of rows of one mean differ by their deviations alone, about sigma each."""
    rng = np.random.default_rng(1)
    values = np.repeat(100 + rng.normal(size=(1, 8, 5)).astype(np.float32), 6, axis=0)
    values[:, 4:] = 1e-6 * rng.uniform(0.5, 2, size=(6, 4, 5))
    train, sigma = with_moments(TrainingSet(values), "mean-std"), 1e-6
    means, deviations = train[:].double().flatten(1).numpy(), train.spread[:].double().flatten(1).numpy()
    x = torch.tensor((1 - sigma) * means[:1] + sigma * rng.normal(size=(1, 20))).reshape(1, 4, 5)
    found = posterior_of(train)(x, 1 - sigma)
    args = [np.asarray(a, np.longdouble) for a in (means, deviations, x.flatten().numpy())]
    weights, *_ = brute(*args, 1 - np.longdouble(sigma), np.longdouble(sigma))
    # float64 differences of numbers near 100 are exact to 1e-14, that is to 1e-8 of sigma.
    assert abs(found.top_weight.item() - float(weights.max())) < 1e-6 and 0.2 < found.top_weight.item() < 0.95


def test_blocks_ranks_and_left_out_rows_change_nothing():
    train = with_moments(TrainingSet(moments()), "mean-logvar")
    x = torch.randn(3, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    whole, small = posterior_of(train)(x, 0.6), posterior_of(train, block_rows=13)(x, 0.6)
    torch.testing.assert_close(small.mean, whole.mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(small.variance, whole.variance, rtol=0, atol=1e-12)
    without = posterior_of(train)(x, 0.6, exclude=torch.tensor([[0], [4], [-1]]))
    for k, gone in enumerate(([0], [4], [])):
        rest = train.chosen(np.setdiff1d(np.arange(11), gone))
        torch.testing.assert_close(without.mean[k], posterior_of(rest)(x[[k]], 0.6).mean[0], rtol=0, atol=1e-12)


def test_flips_classes_and_guidance_go_with_it():
    values = moments(n=12, shape=(4, 2, 3))
    train = with_moments(TrainingSet(values, labels=np.arange(12) % 2, hflip=True), "mean-logvar")
    assert torch.equal(train.spread[[14]], train.spread[[2]].flip(-1)) and train.spread.n == 24
    of_class = with_moments(TrainingSet(values[1::2], hflip=True), "mean-logvar")
    x = torch.randn(3, 2, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    free, bound = ClosedFormField(train)(x, 0.4), ClosedFormField(of_class)(x, 0.4)
    found = ClosedFormField(train, label=1, guidance=3.0)(x, 0.4)
    torch.testing.assert_close(found, free + 3 * (bound - free), rtol=1e-10, atol=1e-10)


def test_what_training_saw_has_the_moments():
    train = with_moments(TrainingSet(moments(n=2, shape=(2, 1))), "mean-logvar", 2.0)
    drawn = sampled(train, np.repeat([0, 1], 4000), torch.Generator().manual_seed(0)).reshape(2, 4000)
    assert torch.allclose(train[:].flatten(), 2 * torch.tensor(moments(n=2, shape=(2, 1))[:, 0, 0]))
    expected = 2 * np.exp(moments(n=2, shape=(2, 1))[:, 1, 0] / 2)
    # A mean of 4000 has the error s / 63, a deviation s / 89; five of these.
    assert (np.abs((drawn.mean(1) - train[:].flatten()).numpy()) < 5 * expected / 63).all()
    assert (np.abs(drawn.std(1).numpy() - expected) < 5 * expected / 89).all()


def test_samples_have_the_distribution_of_the_sampled_examples():
    """Of one example, û* carries N(0, 1) to N(mu, s²) along quantiles; its own steps of 400 are off by about 1/400."""
    train = with_moments(TrainingSet(np.array([[1.0, 0.5]], np.float32)), "mean-std")
    noise = draw_noise(64, (1,), generator=torch.Generator().manual_seed(0))
    ends = closed_form_samples(ClosedFormField(train), noise, 400)
    assert (ends - (1 + 0.5 * noise)).abs().max() < 0.02


def test_fingerprints_tell_formats_and_scales_apart():
    rows = TrainingSet(np.abs(moments()))
    sets = [rows, with_moments(rows, "mean-std"), with_moments(rows, "mean-logvar"), with_moments(rows, "mean-std", 2),
            with_noise(rows, 0.1), with_noise(rows, 0.2)]
    assert len({one.fingerprint for one in sets}) == len(sets)


@pytest.mark.parametrize("rows, arguments, sentence", [
    (np.zeros((3, 5, 2), np.float32), ("mean-std",), "moments mean-std need an even number of channels, means and as"),
    (moments(), ("mean-var",), "unknown format of moments 'mean-var'.*choose from mean-logvar, mean-std"),
    (moments(), ("mean-std",), "reach down to -1.71: if the second half of the channels are log-variances, declare"),
    (np.zeros((3, 4, 2), np.uint8), ("mean-std",), "moments are floats as the encoder wrote them, got uint8"),
    (moments(), ("mean-logvar", 0), "must be a positive number, as in mean-logvar:0.18215, got 0"),
    (moments(), ("mean-logvar:x",), "must be a positive number, as in mean-logvar:0.18215, got 'x'"),
])
def test_what_is_refused(rows, arguments, sentence):
    with pytest.raises(FmdiagError, match=sentence):
        with_moments(TrainingSet(rows), *arguments)
    with pytest.raises(FmdiagError, match="deviation of added noise must be a number from 0 on, got -1"):
        with_noise(TrainingSet(rows), -1)


@pytest.mark.parametrize("bridge", [False, True])
def test_noise_in_x_t_instead_of_the_data_is_a_wider_path(bridge):
    """Three rows by hand: x_t = t x1 + (1 - t) x0 + g z with target x1 - x0 + g' z has û* of sigma² = (1 - t)² + g²."""
    rows, x, t, scale = np.array([[0.0], [1.0], [3.0]], np.float32), 0.7, 0.6, 0.3
    gamma = (lambda t: scale * (t * (1 - t)) ** 0.5) if bridge else (lambda t: scale + 0 * t)
    slope = scale * (1 - 2 * t) / (2 * (t * (1 - t)) ** 0.5) if bridge else 0.0
    g = gamma(t)
    v = (1 - t) ** 2 + g**2
    weights = np.array([math.exp(-(x - t * row) ** 2 / (2 * v)) for row in (0, 1, 3)])
    # Given x1 and x_t, x0 and z are Gaussian with means (1 - t) r / v and g r / v, r = x_t - t x1.
    targets = np.array([row - (1 - t) * (x - t * row) / v + slope * g * (x - t * row) / v for row in (0, 1, 3)])
    path = CustomPath(lambda t: t, lambda t: ((1 - t) ** 2 + gamma(t) ** 2) ** 0.5)
    found = ClosedFormField(TrainingSet(rows), path)(torch.tensor([[x]], dtype=torch.float64), t)
    assert abs(found.item() - weights @ targets / weights.sum()) < 1e-12

"""Guided û* against sums over all rows in float64, enumeration for three rows, and its limiting cases."""

import math

import numpy as np
import pytest
import torch

import fmdiag
from fmdiag.datasets import TrainingSet
from fmdiag.datasets.condition import unguided
from fmdiag.errors import FmdiagError
from fmdiag.fields import ClosedFormField
from fmdiag.paths import LinearPath
from fmdiag.paths.named import path_from_description
from fmdiag.sampling import closed_form_samples, draw_noise, sample

COSINE = path_from_description({"name": "cosine"})


def labelled(n=12, shape=(2, 3), seed=0, **options):
    rng = np.random.default_rng(seed)
    return TrainingSet(rng.normal(size=(n, *shape)), labels=np.arange(n) % 3, **options)


def denoised(rows, x, alpha, sigma):
    """Return the posterior mean at one point, by sums over rows; ndarrays float64."""
    logs = np.array([-np.square(x - alpha * row).sum() / (2 * sigma**2) for row in rows])
    weights = np.exp(logs - logs.max())
    return sum(w * row for w, row in zip(weights / weights.sum(), rows, strict=True))


@pytest.mark.parametrize("path", [LinearPath(), COSINE], ids=["linear", "cosine"])
@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("w", [3.5, -0.5])
def test_guided_field_is_that_of_two_sums_over_rows(path, hflip, w):
    train = labelled(hflip=hflip)
    every = train[np.arange(train.n)].double().numpy()
    of_class = every[np.tile(train.labels, 2 if hflip else 1) == 1]
    u_star = ClosedFormField(train, path, label=1, guidance=w)
    x = torch.randn(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for t in (0.0, 0.4, 0.97):
        time = torch.tensor(t, dtype=torch.float64)
        alpha, sigma, d_alpha, d_sigma = (float(f(time)) for f in (path.alpha, path.sigma, path.d_alpha, path.d_sigma))
        velocity = [[d_alpha * d + d_sigma / sigma * (one - alpha * d)
                     for d in (denoised(rows, one, alpha, sigma) for rows in (every, of_class))] for one in x.numpy()]
        expected = np.array([free + w * (bound - free) for free, bound in velocity])
        np.testing.assert_allclose(u_star(x, t).numpy(), expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


def test_three_rows_by_hand():
    # Rows 0 and 2 of class 0, row 1 of class 1, at x = 1/2, t = 1/2: squared distances 1/4, 0, 1/4, sigma² = 1/4.
    train = TrainingSet(np.array([[0.0], [1.0], [2.0]]), labels=np.array([0, 1, 0]))
    side, middle = math.exp(-1 / 2), 1.0
    free = (middle + 2 * side) / (middle + 2 * side)          # by symmetry 1
    of_class = (0 * side + 2 * side) / (2 * side)             # likewise 1
    assert free == of_class == 1
    x = torch.tensor([[0.3]], dtype=torch.float64)
    weights = [math.exp(-(0.3 - row / 2) ** 2 / 0.5) for row in (0, 1, 2)]
    free = (weights[1] + 2 * weights[2]) / sum(weights)
    of_class = 2 * weights[2] / (weights[0] + weights[2])
    for w in (0.0, 1.0, 4.0):
        mean = free + w * (of_class - free)
        found = ClosedFormField(train, label=0, guidance=w)(x, 0.5)
        assert abs(found.item() - (mean - 0.3) / 0.5) < 1e-13


def test_scale_one_is_the_field_of_the_class_and_zero_that_of_all_rows():
    train, x = labelled(), torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(2))
    rows = TrainingSet(train.rows[train.labels == 2])
    assert torch.equal(ClosedFormField(train, label=2, guidance=1)(x, 0.6), ClosedFormField(rows)(x, 0.6))
    assert torch.equal(ClosedFormField(train, label=2)(x, 0.6), ClosedFormField(rows)(x, 0.6))
    assert torch.equal(ClosedFormField(train, label=2, guidance=0)(x, 0.6), ClosedFormField(train)(x, 0.6))
    one = TrainingSet(train.rows, labels=np.zeros(12, int))   # of one class there is nowhere to lead away from
    assert torch.allclose(ClosedFormField(one, label=0, guidance=7)(x, 0.6), ClosedFormField(train)(x, 0.6), atol=1e-6)


def test_weights_stay_those_of_the_class_and_bounds_hold():
    train, x = labelled(), torch.randn(4, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    guided, plain = (ClosedFormField(train, label=2, guidance=w).posterior(x, 0.6) for w in (3.0, 1.0))
    for name in ("top_row", "top_weight", "ess", "log_density", "variance"):
        assert torch.equal(getattr(guided, name), getattr(plain, name)), name
    assert not torch.allclose(guided.mean, plain.mean)
    assert bool((guided.mean_error > 3 * plain.mean_error).all())


@pytest.mark.parametrize("hflip", [False, True])
def test_curve_and_left_out_rows(hflip):
    train = labelled(hflip=hflip)
    u_star = ClosedFormField(train, label=1, guidance=2.5)
    rows = torch.arange(u_star.training_set.n)
    x1 = u_star.training_set[rows.numpy()].double()
    x0 = torch.randn(x1.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for k, pairs, found in u_star.posterior.curve(x0, x1, rows, [0.3, 0.9]):
        t = [0.3, 0.9][k]
        xt = t * x1[pairs] + (1 - t) * x0[pairs]
        torch.testing.assert_close(found.mean, u_star.posterior(xt, t).mean, rtol=0, atol=1e-5)
    # Without its own row, class and whole alike: û* of the set from which that row is gone.
    xt = 0.5 * (x0 + x1)
    left = u_star.posterior(xt, 0.5, exclude=rows[:, None]).mean
    every, labels = train[np.arange(train.n)].numpy(), np.tile(train.labels, 2 if hflip else 1)
    for i in range(len(rows)):
        gone = np.flatnonzero(labels == 1)[i]
        rest = TrainingSet(np.delete(every, gone, 0), labels=np.delete(labels, gone))
        expected = ClosedFormField(rest, label=1, guidance=2.5).posterior(xt[[i]], 0.5).mean
        torch.testing.assert_close(left[[i]], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("w", [1.5, 4.0])
def test_samples_end_on_rows_of_the_class(w):
    train = labelled(n=30, shape=(4,))
    u_star = ClosedFormField(train, label=0, guidance=w)
    noise = draw_noise(24, (4,), generator=torch.Generator().manual_seed(4))
    ends = closed_form_samples(u_star, noise, 20)
    near = torch.cdist(ends.double(), u_star.training_set[:].double()).amin(1)
    assert bool((near < 1e-5).all())
    # The same by Euler's steps of the field itself, before the last one.
    x = noise.double()
    for k in range(10):
        x = x + u_star(x, k / 20) / 20
    from fmdiag.sampling import closed_form_states, time_grid
    torch.testing.assert_close(closed_form_states(u_star, noise, time_grid(20), [0.5])[0.5], x, rtol=0, atol=1e-10)
    assert torch.equal(sample(u_star, noise, 20), ends)


def test_sets_of_a_class_remember_the_whole():
    train = labelled(shape=(2, 3), hflip=True)
    of_class = train.of_class(1, guidance=2)
    assert of_class.n == 8 and of_class.condition.whole is train
    assert of_class.condition.in_whole([0, 3, 4, -1]).tolist() == [1, 10, 13, -1]
    assert torch.equal(of_class[[0, 5]], train[of_class.condition.in_whole([0, 5])])
    assert of_class.with_hflip(False).condition.whole.n == 12
    assert unguided(of_class).condition.guidance == 1 and unguided(train) is train
    assert of_class.subset(2).condition is None
    fields = [ClosedFormField(train, label=1, guidance=w) for w in (1, 2, 3)]
    assert len({field.fingerprint for field in fields}) == 3
    assert ClosedFormField(of_class).fingerprint == fields[1].fingerprint
    assert ClosedFormField(of_class, guidance=3.0).fingerprint == fields[2].fingerprint


@pytest.mark.parametrize("options, sentence", [
    ({"label": 7}, "has no row of class 7: give another label (--class-label), of 0, 1, 2"),
    ({"guidance": 2.0}, "guidance 2 needs a class to lead to: give label= as well"),
    ({"label": 1, "guidance": math.nan}, "guidance must be a finite number, 1 for none, got nan"),
])
def test_what_is_refused(options, sentence):
    with pytest.raises(FmdiagError) as error:
        ClosedFormField(labelled(), **options)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_labels_are_needed():
    with pytest.raises(FmdiagError, match="has no labels: rows of class 1 and guidance need a training set with"):
        fmdiag.ClosedFormField(np.zeros((3, 2)), label=1, guidance=2.0)

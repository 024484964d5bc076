"""The posterior at points off the training paths: lists are exact, weights of products to their rounding."""

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.fields import ClosedFormField
from fmdiag.posterior.points import PointPosterior, along_paths, at_points

N, DIM, B = 5000, 80, 12
NAMES = ("mean", "top_weight", "variance", "shell")


@pytest.fixture(scope="module")
def posterior():
    rows = 0.5 * np.random.default_rng(0).normal(size=(N, DIM)).astype(np.float32)
    rows[6:12] = rows[:6] + np.float32(1e-4)   # nearly the same rows
    return ClosedFormField(TrainingSet(rows)).posterior


def points(t):
    generator = torch.Generator().manual_seed(0)
    x0, x1 = torch.randn(B, DIM, generator=generator), 0.5 * torch.randn(B, DIM, generator=generator)
    return x0, x1, t * x1.double() + (1 - t) * x0.double()


def brute_force(posterior, x, t):
    rows = posterior.training_set[:].double()
    square = (x[:, None] - t * rows).square().sum(2)
    weights = torch.softmax(-square / (2 * (1 - t) ** 2), 1)
    mean = weights @ rows
    variance = (weights * (rows - mean[:, None]).square().sum(2)).sum(1)
    return dict(zip(NAMES, (mean, weights.max(1).values, variance, (square.min(1).values / DIM).sqrt() / (1 - t)),
                    strict=True))


@pytest.mark.parametrize(("t", "rtol"), [
    # Many rows: weights from float32 products, whose terms of size s |y| |X| are off by 2^-24 each, so 1e-5 in l.
    (0.0, 1e-5), (0.2, 1e-5), (0.4, 2e-5),
    # Few rows, measured from their differences in float64; 1e-9 of the weight may be left out.
    (0.8, 1e-8), (0.99, 1e-8), (1 - 1e-6, 1e-8)])
def test_against_brute_force(posterior, t, rtol):
    x0, x1, x = points(t)
    expected = brute_force(posterior, x, t)
    (number, along), = along_paths(posterior, x0, x1, [t])
    for found in (at_points(posterior, x, t), along):
        assert isinstance(found, PointPosterior) and number == 0
        np.testing.assert_allclose(found.shell, expected["shell"], rtol=1e-8)   # t = 1 - 1e-6 cancels in x
        for name in NAMES[:3]:
            np.testing.assert_allclose(getattr(found, name), expected[name], rtol=rtol,
                                       atol=rtol * float(expected[name].abs().max()) + 1e-15)


def test_a_row_that_is_nearer_at_a_late_time_is_found_whatever_the_products_say(posterior):
    """At t = 1 - 1e-6, s² = 1e12: rows 1e-4 apart differ by 4e5 nats, and products of float32 are off by 1e6."""
    rows = posterior.training_set[:6]
    x = (1 - 1e-6) * rows.double() + 1e-9
    found = at_points(posterior, x, 1 - 1e-6)
    np.testing.assert_allclose(found.mean, rows, rtol=1e-12)
    np.testing.assert_allclose(found.shell, 1e-9 / 1e-6, rtol=1e-6)
    assert (found.top_weight == 1).all()


def test_in_few_dimensions_and_without_room_the_plain_posterior_answers(posterior):
    few = ClosedFormField(TrainingSet(np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32))).posterior
    assert not isinstance(at_points(few, torch.zeros(2, 3), 0.5), PointPosterior)
    tight = ClosedFormField(posterior.training_set, memory=3 * 10**6).posterior
    found, x = at_points(tight, points(0.5)[2], 0.5), points(0.5)[2]
    assert not isinstance(found, PointPosterior)
    np.testing.assert_allclose(found.mean, at_points(posterior, x, 0.5).mean, rtol=1e-4, atol=1e-5)

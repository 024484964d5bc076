"""Smoothed û*: û* without smoothing, its definition at its own perturbations, and the expectation in the limit."""

import numpy as np
import pytest
import torch

from fmdiag.closed_forms.smoothed import SmoothedField
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.fields import ClosedFormField

ROWS = TrainingSet(np.random.default_rng(0).uniform(-1, 1, (30, 2, 3, 3)).astype(np.float32), name="rows")
X = torch.randn(4, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
T = torch.tensor([0.1, 0.5, 0.8, 0.95], dtype=torch.float64)


def test_without_smoothing_it_is_the_closed_form():
    field, expected = SmoothedField(ROWS, scale=0), ClosedFormField(ROWS)
    torch.testing.assert_close(field.mean(X, T), expected.posterior(X, T).mean, rtol=0, atol=0)
    torch.testing.assert_close(field(X.float(), T), expected(X.float(), T), rtol=0, atol=0)


def test_it_is_the_mean_over_its_perturbations():
    field, rows = SmoothedField(ROWS, scale=0.3, n_perturbations=7, seed=5), ROWS[:].double().flatten(1)
    for samples in (None, [3, 0, 3, 9]):
        found = field.mean(X, T, samples=samples)
        for j, x in enumerate(X):
            means = []
            for z in field.perturbations(samples[j] if samples else 0):
                square = ((x + 0.3 * z).flatten() - T[j] * rows).square().sum(1)
                means.append(torch.softmax(-square / (2 * (1 - T[j]) ** 2), 0) @ rows)
            torch.testing.assert_close(found[j].flatten(), sum(means) / 7, rtol=1e-11, atol=1e-11)


def test_it_tends_to_the_expectation():
    """Two points +-1 on a line: D*(x) = tanh(alpha x / sigma^2), averaged over N(x, s^2) by quadrature.

    The mean of M values within [-1, 1] has standard deviation at most 1 / sqrt(M): five of them are .05 here.
    """
    pair = TrainingSet(np.array([[-1.0], [1.0]], np.float32))
    x, t, s = torch.tensor([[0.3]], dtype=torch.float64), 0.5, 0.8
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2)
    expected = (density * torch.tanh(t * (x[0] + s * z) / (1 - t) ** 2)).sum() / density.sum()
    found = SmoothedField(pair, scale=s, n_perturbations=10_000).mean(x, t)
    assert abs(found.item() - expected.item()) < 0.05
    assert abs(torch.tanh(t * x / (1 - t) ** 2).item() - expected.item()) > 0.1, "û* itself is elsewhere"


def test_batches_blocks_and_order_change_rounding_only():
    field = SmoothedField(ROWS, scale=0.2, n_perturbations=300)
    expected = field.mean(X, T, samples=[0, 1, 2, 3])
    turned = SmoothedField(ROWS, scale=0.2, n_perturbations=300, block_rows=7).mean(X.flip(0), T.flip(0),
                                                                                    samples=[3, 2, 1, 0])
    torch.testing.assert_close(turned.flip(0), expected, rtol=1e-12, atol=1e-12)
    alone = field.mean(X[2:3], T[2:3], samples=[2])
    torch.testing.assert_close(alone, expected[2:3], rtol=1e-12, atol=1e-12)


def test_samples_and_seeds_have_perturbations_of_their_own():
    z = SmoothedField(ROWS).perturbations(0)
    assert z.shape == (10, 2, 3, 3)
    assert not torch.equal(z, SmoothedField(ROWS).perturbations(1))
    assert not torch.equal(z, SmoothedField(ROWS, seed=1).perturbations(0))
    assert torch.equal(z, SmoothedField(ROWS, scale=9).perturbations(0))
    assert SmoothedField(ROWS).fingerprint != SmoothedField(ROWS, seed=1).fingerprint


def test_vectors_and_one_example():
    one = TrainingSet(np.full((1, 5), 0.25, np.float32))
    torch.testing.assert_close(SmoothedField(one).mean(torch.ones(2, 5).double(), 0.9),
                               torch.full((2, 5), 0.25, dtype=torch.float64))


@pytest.mark.parametrize("parameters, said", [
    ({"scale": -0.1}, "scale of perturbations must be 0 or more and finite, got -0.1"),
    ({"scale": float("nan")}, "got nan"), ({"n_perturbations": 0}, "whole number from 1, got 0"),
    ({"n_perturbations": 2.5}, "got 2.5")])
def test_parameters_out_of_range_are_refused(parameters, said):
    with pytest.raises(FmdiagError, match=said):
        SmoothedField(ROWS, **parameters)


def test_one_number_a_point():
    with pytest.raises(FmdiagError, match="one number for each of the 4 points, got 2"):
        SmoothedField(ROWS).mean(X, T, samples=[1, 2])

"""The Wiener field against the exact flow between Gaussians, the filter's normal equations and its own flow."""

import numpy as np
import pytest
import torch

from fmdiag.closed_forms import CLOSED_FORMS
from fmdiag.closed_forms.wiener import WienerField
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.fields import GaussianFlow
from fmdiag.paths import CosinePath, LinearPath
from fmdiag.sampling import sample


def rows_of(n, d, seed=0, shape=None):
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n, d)) @ generator.normal(size=(d, d)) + generator.normal(size=d)
    return TrainingSet(rows.astype(np.float32).reshape(n, *(shape or (d,))))


def points_at(n, shape, seed=1):
    return torch.randn(n, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_exact_field_between_gaussians():
    train = rows_of(40, 5)
    rows = train[:].double()
    flow = GaussianFlow(rows.mean(0), torch.cov(rows.T, correction=0), coupling="independent")
    x, t = points_at(7, (5,)), torch.tensor([0.0, 0.1, 0.3, 0.5, 0.9, 0.99, 0.999]).double()
    torch.testing.assert_close(WienerField(train)(x, t), flow(x, t).detach(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("path", [LinearPath(), CosinePath()])
@pytest.mark.parametrize("n", [4, 30])
def test_its_mean_solves_the_normal_equations(path, n):
    """D = mu + alpha Sigma (alpha^2 Sigma + sigma^2 I)^-1 (x - alpha mu), with fewer rows than coordinates too."""
    train = rows_of(n, 8, shape=(2, 4))
    rows, x = train[:].double().flatten(1), points_at(3, (2, 4))
    covariance, mean = torch.cov(rows.T, correction=0), rows.mean(0)
    for t in (0.0, 0.4, 0.9):
        alpha, sigma = (float(f(torch.tensor(t, dtype=torch.float64))) for f in (path.alpha, path.sigma))
        filtered = torch.linalg.solve(alpha**2 * covariance + sigma**2 * torch.eye(8).double(),
                                      (x.flatten(1) - alpha * mean).T)
        expected = mean + alpha * (covariance @ filtered).T
        torch.testing.assert_close(WienerField(train, path).mean(x, t), expected.reshape(x.shape), rtol=1e-9, atol=1e-9)


def test_directions_without_variance_have_none():
    """Four rows span three directions; one row has no variance, and D is the row wherever it is asked."""
    field = WienerField(rows_of(4, 8))
    assert field.variances.shape == (3,) and field.directions.shape == (8, 3)
    one = rows_of(1, 8)
    mean = WienerField(one).mean(points_at(5, (8,)), 0.99)
    torch.testing.assert_close(mean, one[:].double().expand(5, 8), rtol=0, atol=0)
    # The same rows twice, more than coordinates: through the covariance, not the rows.
    again = WienerField(TrainingSet(np.tile(rows_of(4, 8).rows, (5, 1))))
    torch.testing.assert_close(again.variances, field.variances, rtol=1e-10, atol=0)


def test_the_flow_is_that_of_the_field():
    """Fine steps of order 4 lead where the flow says; from noise, it keeps mean and covariance exactly."""
    train = rows_of(30, 3)
    field, x = WienerField(train), points_at(6, (3,))
    solved = sample(lambda x, t: field(x, t.clamp(max=1 - 1e-9)), x, n_steps=400, method="rk4")
    torch.testing.assert_close(field.flow(x, 0.0, 1.0), solved, rtol=1e-5, atol=1e-5)
    halfway = field.flow(field.flow(x, 0.0, 0.6), torch.full((6,), 0.6, dtype=torch.float64), 1.0)
    torch.testing.assert_close(halfway, field.flow(x, 0.0, 1.0), rtol=1e-12, atol=1e-12)
    carried = field.flow(torch.eye(3).double(), 0.0, 1.0) - field.center
    covariance = torch.cov(train[:].double().T, correction=0)
    torch.testing.assert_close(carried.T @ carried, covariance, rtol=1e-10, atol=1e-10)


def test_without_variance_the_flow_ends_at_the_mean():
    one = rows_of(1, 4)
    ended = WienerField(one).flow(points_at(3, (4,)), 0.3, 1.0)
    torch.testing.assert_close(ended, one[:].double().expand(3, 4), rtol=1e-12, atol=1e-12)


def test_rank_keeps_the_largest_variances():
    train = rows_of(30, 5)
    whole, two = WienerField(train), WienerField(train, rank=2)
    torch.testing.assert_close(two.variances, whole.variances[:2])
    inside = (two.mean(points_at(4, (5,)), 0.5) - two.center) @ whole.directions[:, 2:]
    torch.testing.assert_close(inside, torch.zeros(4, 3).double(), rtol=0, atol=1e-12)
    assert two.fingerprint != whole.fingerprint == WienerField(train, rank=5).fingerprint.replace(" rank=5", "")


def test_flips_batches_and_dtypes():
    train = rows_of(12, 8, shape=(2, 4))
    flipped = WienerField(train.with_hflip())
    torch.testing.assert_close(flipped.center.reshape(2, 4), flipped.center.reshape(2, 4).flip(-1))
    x = points_at(600, (2, 4))
    together = flipped.mean(x, 0.7)
    torch.testing.assert_close(together[590:], flipped.mean(x[590:], 0.7), rtol=1e-12, atol=1e-12)
    assert flipped(x.float(), 0.7).dtype == torch.float32 and together.dtype == torch.float64


def test_bad_input_is_refused():
    train = rows_of(30, 5)
    with pytest.raises(FmdiagError, match="rank must be a whole number from 1 to 5"):
        WienerField(train, rank=6)
    with pytest.raises(FmdiagError, match="may be used: give more memory, or fewer rows"):
        WienerField(train, memory=100)
    field = WienerField(train)
    with pytest.raises(FmdiagError, match=r"x must have shape \(b, 5\)"):
        field(torch.zeros(2, 4), 0.5)
    with pytest.raises(FmdiagError, match="no velocity where sigma_t = 0"):
        field(torch.zeros(2, 5), 1.0)
    with pytest.raises(FmdiagError, match="x holds NaN"):
        field(torch.full((2, 5), torch.nan), 0.5)


def test_it_is_registered():
    assert CLOSED_FORMS["wiener"] is WienerField

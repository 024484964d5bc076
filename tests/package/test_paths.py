"""The convention t = 0 noise, t = 1 data, and every path's derivatives against finite differences."""

import pytest
import torch

from fmdiag.errors import FmdiagError
from fmdiag.paths import CosinePath, CustomPath, LinearPath, VPPath, path_from_description

PATHS = [LinearPath(), LinearPath(0.01), CosinePath(), VPPath(), CustomPath(lambda t: t**3, lambda t: 1 - t**2)]


def test_time_zero_is_noise_and_time_one_is_data():
    x0, x1 = torch.zeros(2, 3), torch.ones(2, 3)
    for path in (LinearPath(), CosinePath()):
        assert torch.equal(path.sample(x0, x1, 0.0), x0)
        torch.testing.assert_close(path.sample(x0, x1, 1.0), x1)


def test_the_straight_path_has_velocity_x1_minus_x0():
    g = torch.Generator().manual_seed(0)
    x0, x1 = torch.randn(4, 2, generator=g), torch.randn(4, 2, generator=g)
    torch.testing.assert_close(LinearPath().conditional_velocity(x0, x1, torch.rand(4, generator=g)), x1 - x0)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_derivatives_equal_central_differences(path):
    t, h = torch.linspace(0.05, 0.95, 19, dtype=torch.float64), 1e-5
    for value, slope in ((path.alpha, path.d_alpha), (path.sigma, path.d_sigma)):
        # Central differences err by h^2 / 6 times the third derivative, below 1e3 here, and by 1e-16 / h.
        torch.testing.assert_close(slope(t), (value(t + h) - value(t - h)) / (2 * h), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_velocity_of_a_single_row_is_the_conditional_velocity(path):
    g = torch.Generator().manual_seed(0)
    x0, x1 = (torch.randn(5, 3, generator=g, dtype=torch.float64) for _ in range(2))
    t = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    xt = path.sample(x0, x1, t)
    torch.testing.assert_close(path.velocity_from_mean(x1, xt, t), path.conditional_velocity(x0, x1, t))


@pytest.mark.parametrize("path", PATHS[:4], ids=lambda path: path.name)
def test_a_description_gives_the_path_back(path):
    assert path_from_description(path.describe()) == path


def test_the_variance_factor_of_the_straight_path():
    t = torch.tensor([0.0, 0.5, 0.9], dtype=torch.float64)
    torch.testing.assert_close(LinearPath().variance_factor(t), 1 / (1 - t) ** 2)


@pytest.mark.parametrize(("call", "words"), [
    (lambda: path_from_description({"name": "liner"}), "did you mean 'linear'"),
    (lambda: path_from_description({"name": "linear", "beta": 1}), "does not take"),
    (lambda: LinearPath(1.5), "sigma_min"),
    (lambda: LinearPath().sample(torch.zeros(2, 1), torch.zeros(2, 1), -0.1), "times must be in"),
])
def test_wrong_paths_are_refused(call, words):
    with pytest.raises(FmdiagError, match=words):
        call()

"""The convention t = 0 noise, t = 1 data, and every path's derivatives against finite differences."""

import pytest
import torch

from fmdiag.errors import FmdiagError
from fmdiag.paths import (
    CosinePath,
    CustomPath,
    LinearPath,
    LinearVPPath,
    PolynomialPath,
    VPPath,
    path_from_description,
    path_from_name,
)

NAMED = [LinearPath(), LinearPath(0.01), CosinePath(), VPPath(), PolynomialPath(3), PolynomialPath(0.5), LinearVPPath()]
PATHS = [*NAMED, CustomPath(lambda t: t**3, lambda t: 1 - t**2)]


def test_time_zero_is_noise_and_time_one_is_data():
    x0, x1 = torch.zeros(2, 3), torch.ones(2, 3)
    for path in (LinearPath(), CosinePath(), PolynomialPath(2), LinearVPPath()):
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


@pytest.mark.parametrize("path", NAMED, ids=lambda path: path.name)
def test_a_description_gives_the_path_back(path):
    assert path_from_description(path.describe()) == path


def test_the_variance_factor_of_the_straight_path():
    t = torch.tensor([0.0, 0.5, 0.9], dtype=torch.float64)
    torch.testing.assert_close(LinearPath().variance_factor(t), 1 / (1 - t) ** 2)


def test_a_polynomial_path_visits_the_straight_path_at_other_times():
    x0, x1, t = torch.randn(2, 3), torch.randn(2, 3), torch.tensor([0.2, 0.7], dtype=torch.float64)
    torch.testing.assert_close(PolynomialPath(3).sample(x0, x1, t), LinearPath().sample(x0, x1, t**3))


@pytest.mark.parametrize("path", [CosinePath(), VPPath(), PolynomialPath(3), LinearVPPath()], ids=lambda p: p.name)
def test_sigma_keeps_its_precision_next_to_the_data(path):
    """At 1 - 2^-40 a float64 difference of two numbers near 1 has lost 12 of its 16 digits; mpmath has 50."""
    import mpmath

    mpmath.mp.dps = 50
    t = 1 - 2.0**-40
    s, r = mpmath.mpf(t), 1 - mpmath.mpf(t)
    exact = {"cosine": mpmath.cos(mpmath.pi * s / 2), "polynomial": 1 - s**3, "linear-vp": mpmath.sqrt(1 - s**2),
             "vp": mpmath.sqrt(1 - mpmath.exp(-(r**2 * mpmath.mpf(20.0 - 0.1) / 2 + r * mpmath.mpf(0.1))))}[path.name]
    assert path.sigma(torch.tensor(t, dtype=torch.float64)).item() == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize(("text", "path"), [("cosine", CosinePath()), ("polynomial:3", PolynomialPath(3.0)),
                                            ("linear-vp", LinearVPPath())])
def test_a_name_means_a_path(text, path):
    assert path_from_name(text) == path


@pytest.mark.parametrize(("call", "words"), [
    (lambda: path_from_name("polynomial"), "polynomial:N"),
    (lambda: path_from_name("polynomial:-1"), "positive"),
    (lambda: path_from_name("cosine:2"), "only polynomial:N"),
    (lambda: path_from_name("linear_vp"), "did you mean 'linear-vp'"),
    (lambda: path_from_description({"name": "liner"}), "did you mean 'linear'"),
    (lambda: path_from_description({"name": "linear", "beta": 1}), "does not take"),
    (lambda: LinearPath(1.5), "sigma_min"),
    (lambda: LinearPath().sample(torch.zeros(2, 1), torch.zeros(2, 1), -0.1), "times must be in"),
])
def test_wrong_paths_are_refused(call, words):
    with pytest.raises(FmdiagError, match=words):
        call()

"""Jacobian-vector products of fields: forward, backward and by differences, and what is differentiated at all."""

import pytest
import torch

import fmdiag
from fmdiag.fields import GaussianFlow, JacobianProducts, NetworkField
from fmdiag.fields.gaussian import INDEPENDENT

COVARIANCE = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)


def points(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(5, 2, generator=generator, dtype=torch.float64).to(dtype) for _ in range(2)]


@pytest.mark.parametrize(("method", "rtol"), [("forward", 1e-12), ("backward", 1e-12), ("differences", 1e-8)])
def test_the_jacobian_of_a_gaussian_flow_is_its_gain(method, rtol):
    flow = GaussianFlow(torch.zeros(2), COVARIANCE, INDEPENDENT)
    x, u = points()
    products = JacobianProducts(flow, method=method)
    gain = flow.gain(torch.tensor([0.4], dtype=torch.float64))[0].detach()
    torch.testing.assert_close(products(x, 0.4, u), u @ gain.T, rtol=rtol, atol=rtol)
    assert products.method == method


class NoForward(torch.autograd.Function):
    """x² with a backward rule and no forward-mode one."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


class Squares(torch.nn.Module):
    def __init__(self, square):
        super().__init__()
        self.weight, self.square = torch.nn.Parameter(torch.tensor(3.0)), square
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, x, t):
        return self.dropout(self.weight * self.square(x))


@pytest.mark.filterwarnings("ignore:the field's network is in training mode")
@pytest.mark.parametrize(("square", "method"), [
    (torch.square, "forward"), (NoForward.apply, "backward"),
    (lambda x: torch.from_numpy(x.numpy() ** 2), "differences")])
def test_what_a_network_has_no_rule_for_is_done_another_way(square, method):
    """d(3 x²) = 6 x u, dropout off; float32 differences are exact for squares but for rounding of about 1e-4."""
    x, u = points(torch.float32)
    for field in (NetworkField(Squares(square)), Squares(square)):
        products = JacobianProducts(field)
        torch.testing.assert_close(products(x, 0.5, u), (6 * x * u).double(), rtol=2e-3, atol=2e-3)
        assert products.method == method


def test_a_function_and_what_adds_to_its_module_are_asked_as_they_are():
    class Halved:
        module = Squares(torch.square)

        def __call__(self, x, t):
            return 0.5 * self.module.eval()(x, t)

    x, u = points()
    for field, factor in ((lambda x, t: x**2, 2), (Halved(), 3)):
        products = JacobianProducts(field)
        torch.testing.assert_close(products(x, 0.5, u), factor * x * u, rtol=1e-6, atol=1e-6)
        assert products.method == "differences"


def test_the_posterior_mean_is_recovered_from_the_velocity_on_every_path():
    x, mean = points()
    for path in (fmdiag.LinearPath(), fmdiag.CosinePath(), fmdiag.VPPath()):
        velocity = path.velocity_from_mean(mean, x, 0.3)
        torch.testing.assert_close(path.mean_from_velocity(velocity, x, 0.3), mean, rtol=1e-10, atol=1e-12)

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


class Counted(torch.nn.Module):
    """exp(x / 2) t, counting the points that pass."""

    def __init__(self):
        super().__init__()
        self.weight, self.passed = torch.nn.Parameter(torch.tensor(0.5, dtype=torch.float64)), 0

    def forward(self, x, t):
        self.passed += len(x)
        return (self.weight * x).exp() * t[:, None]


@pytest.mark.parametrize("k", [1, 3])
def test_vectors_of_one_point_share_its_forward_pass_and_give_what_each_gives_alone(k):
    x, _ = points()
    u = torch.randn(5 * k, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    counted = Counted()
    products = JacobianProducts(NetworkField(counted))
    expected = 0.25 * (0.5 * x).exp().repeat_interleave(k, 0) * u
    torch.testing.assert_close(products(x, 0.5, u), expected, rtol=1e-12, atol=1e-12)
    assert products.method == "forward" and counted.passed == 5 + 2 * 2   # two points prove that it is the field
    products.shares = False
    torch.testing.assert_close(products(x, 0.5, u), expected, rtol=1e-12, atol=1e-12)
    assert counted.passed == 5 + 2 * 2 + 5 * k


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


class NotBatched(torch.autograd.Function):
    """x² with a forward-mode rule, but none for several vectors at once."""

    @staticmethod
    def forward(x):
        return x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_forward(*inputs)

    @staticmethod
    def jvp(ctx, tangent):
        return 2 * ctx.saved_tensors[0] * tangent


def test_a_network_without_a_rule_for_several_vectors_takes_each_point_as_often_as_it_has_any():
    x, u = points(torch.float32)
    products = JacobianProducts(NetworkField(Squares(NotBatched.apply).eval()))
    found = products(x, 0.5, torch.stack([u, 2 * u], 1).reshape(-1, 2)).reshape(-1, 2, 2)
    torch.testing.assert_close(found, (6 * x * u).double()[:, None] * torch.tensor([[1.0], [2.0]]).double())
    assert products.method == "forward" and not products.shares


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

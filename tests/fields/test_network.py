"""Networks as fields: strict descriptions, time as a tensor, batches that change nothing, NaN refused."""

import pytest
import torch
from torch import nn

from fmdiag.errors import FmdiagError
from fmdiag.fields import NetworkField, build_network
from fmdiag.fields.unet import ImageUNet

MLP = {"name": "mlp", "shape": [1, 4, 4], "width": 16, "depth": 2}
UNET = {"name": "unet2d", "shape": [1, 8, 8], "channels": [8, 16], "layers": 1, "attention": [4], "dropout": 0.5}


class Recorder(nn.Module):
    """Returns t x and remembers what it was called with."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.calls = []

    def forward(self, x, t):
        self.calls.append((x, t, self.training, torch.is_grad_enabled()))
        return self.scale * x * t.reshape(-1, *[1] * (x.ndim - 1))


def randomised(spec, seed=0):
    """Build a network whose weights are all random: a zero last layer would hide differences."""
    network = build_network(spec)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(0, 0.1, generator=generator)
    return network.eval()


@pytest.mark.parametrize("spec", [MLP, UNET], ids=["mlp", "unet2d"])
def test_velocity_has_the_shape_and_dtype_of_x(spec):
    field = NetworkField(build_network(spec), spec["shape"])
    x = torch.zeros(3, *spec["shape"], dtype=torch.float64)
    velocity = field(x, 0.3)
    assert velocity.shape == x.shape and velocity.dtype == torch.float64


@pytest.mark.parametrize("spec", [MLP, UNET], ids=["mlp", "unet2d"])
def test_batch_size_changes_nothing_beyond_rounding(spec):
    network = randomised(spec)
    generator = torch.Generator().manual_seed(1)
    x, t = torch.randn(7, *spec["shape"], generator=generator), torch.rand(7, generator=generator)
    whole, parts = NetworkField(network, batch_size=7)(x, t), NetworkField(network, batch_size=3)(x, t)
    # float32 sums in another order: rtol 1e-5 (STYLE.md), an atol of that times the field's scale.
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-5 * whole.abs().max().item())


@pytest.mark.parametrize("b", [1, 2, 15, 16, 17, 40])
@pytest.mark.parametrize("skip", [False, True])
def test_one_time_of_all_is_embedded_once_and_gives_what_a_time_per_sample_gives(b, skip):
    network = randomised({**MLP, "skip": skip}).double()
    x = torch.randn(b, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    t, embedded = torch.full((b,), 0.3, dtype=torch.float64), []
    network.time.register_forward_hook(lambda module, inputs, output: embedded.append(len(output)))
    with torch.no_grad():
        expected = network(x, t)
    for given in (0.3, t):
        torch.testing.assert_close(NetworkField(network)(x, given), expected, rtol=1e-12, atol=1e-12)
    assert embedded == [b, min(b, 16), min(b, 16)]
    mixed = torch.arange(b) / b
    NetworkField(network)(x, mixed.double())
    assert embedded[-1] == b


@pytest.mark.parametrize("spec", [MLP, UNET], ids=["mlp", "unet2d"])
def test_time_between_0_and_1_is_seen(spec):
    # A U-Net that casts time to an integer gives the same velocity at 0.37 and 0.
    field, x = NetworkField(randomised(spec)), torch.ones(1, *spec["shape"])
    assert not torch.allclose(field(x, 0.37), field(x, 0.0), rtol=1e-4)
    assert not torch.allclose(field(x, 0.3704), field(x, 0.37), rtol=1e-6, atol=0)


def test_field_calls_the_network_with_x_first_in_evaluation_mode_without_gradients():
    network = Recorder().train()
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    t = torch.linspace(0, 1, 5)
    velocity = NetworkField(network, batch_size=2)(x, t)
    torch.testing.assert_close(velocity, (x * t[:, None]), rtol=1e-6, atol=1e-6)
    assert [len(call[0]) for call in network.calls] == [2, 2, 1]
    assert all(call[0].dtype == call[1].dtype == torch.float32 for call in network.calls)
    assert not any(call[2] or call[3] for call in network.calls)


def test_dropout_is_off_in_a_field():
    field, x = NetworkField(build_network(UNET).train()), torch.ones(2, 1, 8, 8)
    assert torch.equal(field(x, 0.5), field(x, 0.5))


@pytest.mark.parametrize("sides", [(7, 5), (8, 6), (9, 16)])
def test_unet_takes_sides_that_its_levels_do_not_divide(sides):
    network = ImageUNet([2, *sides], channels=(8, 8, 8), layers=1)
    x = torch.randn(2, 2, *sides, generator=torch.Generator().manual_seed(0))
    velocity = network(x, torch.tensor([0.1, 0.9]))
    assert velocity.shape == x.shape and velocity.isfinite().all()


@pytest.mark.parametrize("spec, message", [
    ({"name": "mpl", "shape": [2]}, "did you mean 'mlp'"),
    ({"shape": [2]}, "unknown network None"),
    ({"name": "mlp", "shape": [2], "widht": 8}, "did you mean 'width'"),
    ({"name": "mlp", "width": 8}, "needs the shape"),
    ({"name": "mlp", "shape": [2], "width": 8.5}, "width must be whole numbers"),
    ({"name": "mlp", "shape": [2], "depth": True}, "depth must be whole numbers"),
    ({"name": "mlp", "shape": [2], "width": [8]}, "width must be whole numbers"),
    ({"name": "mlp", "shape": 2}, "shape must be whole numbers"),
    ({"name": "mlp", "shape": [2], "depth": 0}, "depth in"),
    ({"name": "unet2d", "shape": [2]}, "use mlp"),
    ({"name": "unet2d", "shape": [1, 8, 8], "channels": []}, "1 to 8 levels"),
    ({"name": "unet2d", "shape": [1, 8, 8], "channels": [7]}, "even"),
    ({"name": "unet2d", "shape": [1, 8, 8], "dropout": 1.0}, "dropout in"),
])
def test_descriptions_are_strict(spec, message):
    with pytest.raises(FmdiagError, match=message):
        build_network(spec)


def test_other_shapes_are_refused():
    with pytest.raises(FmdiagError, match=r"shape \(1, 4, 4\), got \(1, 8, 8\)"):
        NetworkField(build_network(MLP), [1, 4, 4])(torch.zeros(1, 1, 8, 8), 0.5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_is_refused_and_located(bad):
    x = torch.zeros(4, 2)
    x[2, 0] = bad
    with pytest.raises(FmdiagError, match="1 of 4 samples at t = 0.5 .its input is not finite"):
        NetworkField(Recorder())(x, 0.5)


def test_nan_weights_are_not_blamed_on_the_input():
    network = Recorder()
    network.scale.data.fill_(float("nan"))
    with pytest.raises(FmdiagError, match="2 of 2 samples .*its input is finite"):
        NetworkField(network)(torch.ones(2, 2), 0.5)

"""The FID variant of Inception-V3: what must be zero, what passes unchanged, the pools, the resizing, the layout."""

import numpy as np
import pytest
import torch
from made import pictures

from fmdiag.errors import FmdiagError
from fmdiag.features import load_feature
from fmdiag.features.inception_network import FIDInception, block_a, resize_bilinear


def passing(module):
    """Make every convolution hand channel 0 on to channel 0, and everything else zero; batch norm the identity."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name.endswith("conv.weight"):
                tensor.zero_()
                tensor[0, 0, tensor.shape[2] // 2, tensor.shape[3] // 2] = 1
            elif name.endswith("running_var"):
                tensor.fill_(1 - 0.001)
    return module.eval()


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FIDInception().eval()


def test_grey_of_128_is_zero_and_stays_zero(network):
    """(128 - 128) / 128 = 0, no convolution has a bias, and untrained batch norms add none."""
    with torch.no_grad():
        assert (network(torch.full((1, 3, 40, 40), 128, dtype=torch.uint8)) == 0).all()
        assert (network(torch.full((1, 3, 40, 40), 129, dtype=torch.uint8)) != 0).any()


def test_a_constant_picture_passes_every_block():
    """Channel 0 of each branch of the last block: 320 of 1 x 1, 2 x 384 twice, 192 of the pool."""
    with torch.no_grad():
        features = passing(FIDInception())(torch.full((1, 3, 32, 48), 192, dtype=torch.uint8))
    expected = np.zeros(2048)
    expected[[0, 320, 704, 1088, 1472, 1856]] = 0.5  # (192 - 128) / 128
    np.testing.assert_allclose(features[0], expected, atol=1e-6)


def test_average_pools_leave_the_border_out():
    x = torch.ones(1, 192, 5, 5)
    with torch.no_grad():
        pooled = passing(block_a(192, 32))(x)[0, 64 + 64 + 96]
    np.testing.assert_allclose(pooled, np.ones((5, 5)), rtol=1e-6)  # zeros counted in, a corner would be 4/9


def test_the_last_block_alone_pools_by_maximum():
    x = torch.zeros(1, 2048, 5, 5)
    x[0, 0, 2, 2] = 9.0
    expected = np.zeros((5, 5))
    expected[1:4, 1:4] = 9
    network = FIDInception()
    for block, height, channels in ((network.Mixed_7c, 9, 2048), (network.Mixed_7b, 1, 1280)):
        with torch.no_grad():
            pooled = passing(block)(x[:, :channels])[0, 320 + 768 + 768]
        np.testing.assert_allclose(pooled, expected * height / 9, rtol=1e-6)


@pytest.mark.parametrize("size", [20, 299, 512])
def test_a_ramp_is_read_without_half_pixel_centres(size):
    ramp = torch.arange(size, dtype=torch.float64).expand(1, 1, size, size)
    place = np.minimum(np.arange(299) * size / 299, size - 1)
    resized = resize_bilinear(ramp, 299)[0, 0]
    np.testing.assert_allclose(resized, np.broadcast_to(place, (299, 299)), atol=1e-9)
    np.testing.assert_allclose(resize_bilinear(ramp.mT, 299)[0, 0], resized.T, atol=1e-9)


def test_a_state_dict_gives_the_network_it_was_saved_from(network, tmp_path):
    images = pictures(n=2, side=32)
    state = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    classifier = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    torch.save({**state, **classifier}, tmp_path / "weights.pth")
    feature = load_feature("inception", weights=tmp_path / "weights.pth", training_set=images)
    with torch.no_grad():
        expected = network(torch.from_numpy(images.rows))
    np.testing.assert_allclose(feature(images[:]), expected, rtol=1e-5, atol=1e-7)
    torch.save({name: tensor for name, tensor in state.items() if "7b" not in name}, tmp_path / "short.pth")
    with pytest.raises(FmdiagError, match=r"Mixed_7b.*expected pt_inception-2015-12-05-6726825d.pth"):
        load_feature("inception", weights=tmp_path / "short.pth", training_set=images)


def test_the_layout_is_that_of_the_published_file(network):
    """94 convolutions; 21 785 568 parameters: the 27 161 264 of Inception-V3, less classifiers of 2 049 000 (1000
    classes) and, beside it while training, 3 326 696."""
    convolutions = {name for name in network.state_dict() if name.endswith("conv.weight")}
    assert len(convolutions) == 94
    assert sum(parameter.numel() for parameter in network.parameters()) == 27_161_264 - 2_049_000 - 3_326_696

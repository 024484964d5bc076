"""Squared distances of the vectors are LPIPS: by its formula on a network built as the package's is."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made import pictures
from torch import nn

from fmdiag.errors import FmdiagError
from fmdiag.features import load_feature
from fmdiag.features.lpips import vectors, vectors_of


class StandIn(nn.Module):
    """Two layers of random convolutions with weights per channel, put together as `lpips.LPIPS`."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 7, 3, stride=2)
        self.lins = nn.ModuleList(SimpleLayer(channels) for channels in (5, 7))
        self.scaling_layer = lambda x: (x - 0.1) / 0.3
        self.net = SimpleNamespace(forward=self.activations)

    def activations(self, x):
        first = torch.relu(self.first(x))
        return first, torch.relu(self.second(first))


class SimpleLayer(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.model = nn.Sequential(nn.Dropout(), nn.Conv2d(channels, 1, 1, bias=False))
        nn.init.uniform_(self.model[-1].weight, 0, 1)


def lpips(model, x, y):
    """Return LPIPS place by place, channel by channel, as its authors write it; float64."""
    total = 0.0
    for a, b, layer in zip(model.activations((x - 0.1) / 0.3), model.activations((y - 0.1) / 0.3), model.lins,
                           strict=True):
        unit_a, unit_b = (f / torch.linalg.vector_norm(f, dim=0).clamp(min=1e-10) for f in (a[0], b[0]))
        weight = layer.model[-1].weight[0, :, 0, 0]
        total += ((unit_a - unit_b) ** 2 * weight[:, None, None]).sum(0).mean().item()
    return total


def test_squared_distances_are_lpips():
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = StandIn().double().eval()
        images = torch.rand(6, 3, 12, 12, dtype=torch.float64) * 2 - 1
        rows = vectors_of(model, images)
        for i in range(6):
            for j in range(6):
                expected = lpips(model, images[i : i + 1], images[j : j + 1])
                np.testing.assert_allclose((rows[i] - rows[j]).square().sum(), expected, rtol=1e-6, atol=1e-12)


def test_negative_weights_are_refused():
    with pytest.raises(FmdiagError, match="weight is negative"):
        vectors([torch.ones(1, 2, 3, 3)], [torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1)])


@pytest.mark.skipif(importlib.util.find_spec("lpips") is not None, reason="lpips is installed")
def test_a_missing_package_is_named():
    with pytest.raises(FmdiagError, match="pip install lpips torchvision"):
        load_feature("lpips", training_set=pictures())


@pytest.mark.skipif(importlib.util.find_spec("lpips") is None, reason="needs the package lpips and its weights")
def test_the_package_gives_the_same_distances():
    import lpips as package

    images = pictures(n=2, side=64)
    rows = load_feature("lpips", training_set=images)(images[:]).double()
    expected = package.LPIPS(net="alex", verbose=False)(images[:1], images[1:]).item()
    np.testing.assert_allclose((rows[0] - rows[1]).square().sum(), expected, rtol=1e-4)


def test_unknown_networks_are_named():
    with pytest.raises(FmdiagError, match="weights must be one of alex, vgg, squeeze, got 'x.pth'"):
        load_feature("lpips", weights="x.pth", training_set=pictures())

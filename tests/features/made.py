"""Small files in the layouts of the published weights, and pictures to give them."""

import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fmdiag.datasets import TrainingSet


def pictures(n=6, channels=3, side=20, seed=0, name="pictures"):
    rows = np.random.default_rng(seed).integers(0, 256, (n, channels, side, side), dtype=np.uint8)
    return TrainingSet(rows, divisor=127.5, shift=-1.0, name=name)


class Mean(nn.Module):
    """The mean per channel: it tells range, channels and normalisation."""

    def forward(self, x):
        return x.float().mean((2, 3))


class CalledAsInception(nn.Module):
    """Has the signature of the TorchScript FID network; refuses other pictures than uint8."""

    def forward(self, img: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        assert img.dtype == torch.uint8
        assert return_features
        return functional.pad(img.float().mean((2, 3)), (0, 2045))


class AsSSCD(nn.Module):
    """512 numbers that are not normalised, of pictures of side 288 only."""

    def forward(self, x):
        assert x.shape[1] == 3 and x.shape[2] == 288 and x.shape[3] == 288
        return functional.pad(x.mean((2, 3)), (0, 509)) * 7


def script(module, path):
    with warnings.catch_warnings():  # of torch.jit, deprecated: published files are of this format all the same
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(str(path))
    return path


def tiny_dinov2(folder, hidden=24, seed=0):
    from transformers import Dinov2Config, Dinov2Model

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = Dinov2Config(hidden_size=hidden, num_hidden_layers=2, num_attention_heads=2, image_size=56)
        Dinov2Model(config).save_pretrained(folder)
    return folder


def mean_as_onnx(path, batch):
    """Write an ONNX file of the mean per channel; `batch` is a number, or a name where any number will do."""
    import onnx
    from onnx import TensorProto, helper

    node = helper.make_node("GlobalAveragePool", ["x"], ["y"])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, "c", *size])
            for name, size in (("x", ["h", "w"]), ("y", [1, 1]))]
    graph = helper.make_graph([node], "mean", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path

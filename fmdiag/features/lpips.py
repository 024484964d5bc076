"""LPIPS feature: activations of a classifier, compared place by place, for how different two images look.

    LPIPS(x, y) = sum_l 1 / (H_l W_l) sum_hw sum_c w_lc (n_l(x) - n_l(y))²_chw,   n: divided by the norm over channels

is the squared Euclidean distance of the vectors that join sqrt(w_l / (H_l W_l)) n_l, so that nearest neighbours under
LPIPS are nearest neighbours of vectors. The package `lpips` brings the weights w; it needs torchvision.

References
----------
Zhang et al. 2018, arXiv 1801.03924, equation 1.
"""


import torch

from fmdiag.errors import FmdiagError
from fmdiag.features.feature import Feature
from fmdiag.features.preparation import Preparation, declared_range
from fmdiag.files.hashing import weights_sha256

NETWORKS = ("alex", "vgg", "squeeze")
LEAST_SIDE = 64  # below, the network's pools have nothing left to pool
EPSILON = 1e-10  # of the package: added to the norms


def load(*, weights=None, training_set=None, device="cpu"):
    """Return the Feature of the package's network.

    Parameters
    ----------
    weights : str, optional
        alex (default), vgg or squeeze.
    training_set, device
        As in `load_feature`.
    """
    choice = str(weights or "alex")
    if choice not in NETWORKS:
        raise FmdiagError(f"feature lpips: weights must be one of {', '.join(NETWORKS)}, got {choice!r}; features of "
                          "another network can be saved as TorchScript and given as torchscript")
    try:
        import lpips
    except ImportError as error:
        raise FmdiagError("feature lpips needs the packages lpips and torchvision: pip install lpips torchvision (with "
                          "the torchvision built for your torch)") from error
    model = lpips.LPIPS(net=choice, verbose=False).eval().requires_grad_(False).to(device)
    prepare = Preparation(*declared_range(training_set), _side(training_set), "bilinear", "symmetric")
    return Feature("lpips", lambda x: vectors_of(model, prepare(x)), {**prepare.describe(), "network": choice},
                   weights=weights_sha256(model.state_dict()), device=device)


def vectors_of(model, images):
    """Return the vectors, shape (b, dim), of images in [-1, 1] by a network built as `lpips.LPIPS` is."""
    activations = model.net.forward(model.scaling_layer(images))
    return vectors(activations, [layer.model[-1].weight for layer in model.lins])


def vectors(activations, weights):
    """Return vectors whose squared Euclidean distance is LPIPS.

    Parameters
    ----------
    activations : sequence of Tensor, shape (b, c, h, w)
        Per layer.
    weights : sequence of Tensor, shape (1, c, 1, 1)
        Per layer, none negative.

    Raises
    ------
    FmdiagError
        If a weight is negative: LPIPS would be no distance.
    """
    parts = []
    for activation, weight in zip(activations, weights, strict=True):
        if bool((weight < 0).any()):
            raise FmdiagError("lpips: a weight is negative, so that LPIPS is no squared distance")
        normed = activation / (activation.square().sum(1, keepdim=True).sqrt() + EPSILON)
        places = activation.shape[2] * activation.shape[3]
        parts.append((normed * (weight / places).sqrt()).flatten(1))
    return torch.cat(parts, 1)


def _side(training_set):
    return None if training_set is None or min(training_set.shape[1:]) >= LEAST_SIDE else LEAST_SIDE

"""Features by a network of your own: any TorchScript or torch.export file, images -> vectors.

It is given float32 images, by default as they are in model range; a size and a normalisation make of them what a
network of photographs expects. What it returns per image is flattened.
"""

import torch
from torch.nn import functional

from fmdiag.checkpoints.source import open_checkpoint
from fmdiag.errors import FmdiagError
from fmdiag.features.feature import Feature
from fmdiag.features.preparation import Preparation, declared_range
from fmdiag.features.weights import existing


def load(*, weights=None, training_set=None, device="cpu", size=None, normalisation=None,
         trust_code=False):
    """Return the Feature of a program.

    Parameters
    ----------
    weights : path
        The .pt or .pt2 file.
    training_set, device
        As in `load_feature`.
    size : int, optional
        Side that images are resized to.
    normalisation : str, optional
        model (default), unit, symmetric, imagenet or uint8; see `Preparation`.
    trust_code : bool
        Whether the program may run: without it the file is refused.
    """
    if weights is None:
        raise FmdiagError("feature torchscript needs a file: give its path as weights (--feature-weights "
                          "torchscript=FILE)")
    source = open_checkpoint(existing("torchscript", weights), trust_code=trust_code)
    if source.kind not in ("script", "export"):
        raise FmdiagError(f"feature torchscript: {source.file} is neither a TorchScript nor a torch.export file; save "
                          "the network with torch.jit.save or torch.export.save")
    module = source.content.to(device)
    if source.kind == "script":
        module.eval()
    prepare = preparation(training_set, size, normalisation)
    return Feature("torchscript", lambda x: _first(module(prepare(x))), prepare.describe(), weights=source.sha256,
                   facts=source.trusted, device=device)


def preparation(training_set, size, normalisation):
    """Return the Preparation that a user chose for a network of unknown habits."""
    normalisation = normalisation or "model"
    low, high = (-1.0, 1.0) if normalisation == "model" else declared_range(training_set)
    return Preparation(low, high, size, "bilinear", normalisation)


def in_batches_of(n, images, run):
    """Return run(images) for a network that takes exactly n images: the last ones are padded with zeros."""
    parts = []
    for part in images.split(n):
        padded = functional.pad(part, (0, 0) * (part.ndim - 1) + (0, n - len(part)))
        parts.append(run(padded)[: len(part)])
    return torch.cat(parts)


def _first(output):
    """Return the tensor of an output that is one, or a tuple or dict that begins with one."""
    if isinstance(output, dict):
        output = list(output.values())
    return output[0] if isinstance(output, list | tuple) else output

"""How different are two images for a network that learnt from pictures alone? DINOv2, class token.

The vector is the class token after the last normalisation; its length names the network: 384 ViT-S/14, 768 ViT-B/14,
1024 ViT-L/14. Fréchet distances of different ones cannot be compared. Pictures are squeezed to 224 x 224.

References
----------
Oquab et al. 2023, arXiv 2304.07193. Stein et al. 2023, arXiv 2306.04675 (for judging generative models, ViT-L/14).
"""

import json

from fmdiag.checkpoints.source import open_checkpoint
from fmdiag.errors import FmdiagError
from fmdiag.features.feature import Feature
from fmdiag.features.preparation import Preparation, declared_range
from fmdiag.features.weights import Published, existing, weights_file

SIDE = 224
SIZES = ("small", "base", "large")
DEFAULT = "large"
FILES = ("config.json", "model.safetensors")
NAMES = {384: "ViT-S", 768: "ViT-B", 1024: "ViT-L", 1536: "ViT-G"}


def load(*, weights=None, training_set=None, device="cpu", data_root=None, offline=False):
    """Return the Feature of a folder as `save_pretrained` writes it.

    Parameters
    ----------
    weights : path or str, optional
        That folder, or small, base or large for the published weights; default large.
    training_set, device, data_root, offline
        As in `load_feature`.
    """
    try:
        from transformers import Dinov2Model
    except ImportError as error:
        raise FmdiagError("feature dinov2 needs the package transformers: pip install 'fmdiag[features]'") from error
    folder = _folder(weights, data_root, offline)
    config = _checked_config(folder)
    try:
        model = Dinov2Model.from_pretrained(folder, local_files_only=True).eval().to(device)
    except (OSError, ValueError, RuntimeError) as error:
        raise FmdiagError(f"{folder}: DINOv2 weights cannot be loaded ({str(error).splitlines()[0]})") from error
    prepare = Preparation(*declared_range(training_set), SIDE, "bicubic", "imagenet")
    name = f"{NAMES.get(config.hidden_size, config.hidden_size)}/{config.patch_size}"
    return Feature("dinov2", lambda x: model(prepare(x)).last_hidden_state[:, 0], prepare.describe(),
                   config.hidden_size, open_checkpoint(folder).sha256, {"network": name}, device=device, batch_size=32)


def _folder(weights, data_root, offline):
    if weights is None or str(weights) in SIZES:
        size = str(weights or DEFAULT)
        published = Published(f"https://huggingface.co/facebook/dinov2-{size}/resolve/main", f"weights/dinov2-{size}")
        paths = [weights_file("dinov2", None, published, name, data_root=data_root, offline=offline) for name in FILES]
        return paths[0].parent
    folder = existing("dinov2", weights)
    if not (folder / "config.json").is_file():
        raise FmdiagError(f"feature dinov2: {folder} is not a folder with config.json and model.safetensors, as "
                          "save_pretrained writes it")
    return folder


def _checked_config(folder):
    from transformers import Dinov2Config

    try:
        config = json.loads((folder / "config.json").read_text())
    except ValueError as error:
        raise FmdiagError(f"{folder}: config.json is not readable as JSON; copy the folder again") from error
    if config.get("model_type") != "dinov2":
        raise FmdiagError(f"{folder}: config.json is of a {config.get('model_type')!r} network; give that of a dinov2")
    return Dinov2Config.from_dict(config)

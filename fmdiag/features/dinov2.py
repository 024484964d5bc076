"""DINOv2 feature: the class token of a network that learnt from pictures alone.

The vector is the class token after the last normalisation; its length names the network: 384 ViT-S/14, 768 ViT-B/14,
1024 ViT-L/14. Fréchet distances of different ones cannot be compared. Pictures are squeezed to 224 x 224.

References
----------
Oquab et al. 2023, arXiv 2304.07193. Stein et al. 2023, arXiv 2306.04675 (for judging generative models, ViT-L/14).
"""

import json

import torch

from fmdiag.checkpoints.file import read_safetensors
from fmdiag.checkpoints.source import Source
from fmdiag.errors import FmdiagError
from fmdiag.features.feature import Feature
from fmdiag.features.preparation import Preparation, declared_range
from fmdiag.features.weights import Published, existing, weights_file
from fmdiag.files.regular import read_text

SIDE = 224
SIZES = ("small", "base", "large")
DEFAULT = "large"
FILES = ("config.json", "model.safetensors")
# Of a configuration, what decides the network; nothing that transformers would fetch.
NETWORK = ("hidden_size", "num_hidden_layers", "num_attention_heads", "mlp_ratio", "hidden_act", "layer_norm_eps",
           "image_size", "patch_size", "num_channels", "qkv_bias", "layerscale_value", "use_swiglu_ffn")
LARGEST = 10_000  # of the numbers in it; the largest network has 1536, its pictures 518
INNER = "dinov2."
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
    model = _filled(Dinov2Model, config, _tensors(folder), folder).eval().to(device)
    prepare = Preparation(*declared_range(training_set), SIDE, "bicubic", "imagenet")
    name = f"{NAMES.get(config.hidden_size, config.hidden_size)}/{config.patch_size}"
    return Feature("dinov2", lambda x: model(prepare(x)).last_hidden_state[:, 0], prepare.describe(),
                   config.hidden_size, Source(folder, "folder", None).sha256, {"network": name}, device=device,
                   batch_size=32)


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
        config = json.loads(read_text(folder / "config.json"))
    except (ValueError, RecursionError) as error:
        raise FmdiagError(f"{folder}: config.json is not readable as JSON; copy the folder again") from error
    kind = config.get("model_type") if isinstance(config, dict) else config
    if kind != "dinov2":
        raise FmdiagError(f"{folder}: config.json is of a {kind!r} network; give that of a dinov2")
    config = {name: config[name] for name in NETWORK if name in config}
    for name, value in config.items():
        if isinstance(value, int | float) and not 0 <= value <= LARGEST:
            raise FmdiagError(f"{folder}: config.json has {name} = {value}, no dinov2 has more than {LARGEST}; copy "
                              "the folder again")
    try:
        return Dinov2Config(**config)
    except Exception as error:  # transformers checks values by errors of its own
        raise FmdiagError(f"{folder}: config.json describes no dinov2 ({error}); copy the folder again") from error


def _filled(cls, config, tensors, folder):
    """Return the network with exactly these tensors; transformers only gives them their names of today.

    It is not given the folder, which may name pickles, adapters and kernels to fetch as well.
    """
    if config.num_hidden_layers > len(tensors) or config.hidden_size > max(map(torch.numel, tensors.values())):
        raise FmdiagError(f"{folder}: config.json describes a larger network than model.safetensors holds: copy both "
                          "again")
    try:
        model, found = cls.from_pretrained(None, config=config, state_dict=tensors, output_loading_info=True)
    except Exception as error:  # of any kind: shapes that do not fit, numbers that no network has
        raise FmdiagError(f"{folder}: DINOv2 weights cannot be loaded ({str(error).splitlines()[0]})") from error
    wrong = [*found["missing_keys"], *found["mismatched_keys"], *found["unexpected_keys"]]
    if wrong:
        raise FmdiagError(f"{folder}: DINOv2 weights cannot be loaded: {wrong[0]} is missing, unknown or of another "
                          f"shape ({len(wrong)} are); copy config.json and model.safetensors again")
    return model.float()


def _tensors(folder):
    """Return the state dict of the bare network; one with a head for classes has it under a prefix."""
    file = folder / "model.safetensors"
    if not file.is_file():
        raise FmdiagError(f"{folder} has no model.safetensors: give a folder with it, as save_pretrained writes it")
    tensors = read_safetensors(file)
    inner = {name.removeprefix(INNER): tensor for name, tensor in tensors.items() if name.startswith(INNER)}
    if not tensors:
        raise FmdiagError(f"{file} holds no tensors: copy it again")
    return inner or tensors

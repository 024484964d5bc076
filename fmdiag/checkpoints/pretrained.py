"""What is in a folder that a diffusers class wrote by ``save_pretrained``? Its configuration, class and tensors."""

import json

from fmdiag.checkpoints.file import read_torch_file
from fmdiag.checkpoints.states import fitted
from fmdiag.errors import FmdiagError

TENSORS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
# Attention had other names before diffusers 0.15; folders of that time are still the ones most used.
RENAMED = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def read_json(file):
    """Return what a JSON file holds.

    Raises
    ------
    FmdiagError
        If it is missing or no JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FmdiagError(f"{file} cannot be read as JSON ({error})") from error


def class_of(config, folder):
    """Return the diffusers class that a configuration names."""
    import diffusers

    name = config.get("_class_name")
    if not isinstance(name, str) or not hasattr(diffusers, name):
        raise FmdiagError(f"{folder}/config.json names the class {name!r}, which this diffusers does not have")
    return getattr(diffusers, name)


def read_module(cls, config, folder):
    """Return a module of diffusers' class `cls`, with exactly the folder's weights, in float32."""
    module = cls.from_config({k: v for k, v in config.items() if not k.startswith("_") or k == "_class_name"})
    return fitted(module, _renamed(_tensors(folder), module.state_dict().keys()), folder)


def _tensors(folder):
    from safetensors.torch import load_file

    for name in TENSORS:
        file, index = folder / name, folder / f"{name}.index.json"
        files = sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else [name]
        if file.is_file() or index.is_file():
            read = load_file if name.endswith("safetensors") else read_torch_file
            return {key: tensor for part in files for key, tensor in read(folder / part).items()}
    raise FmdiagError(f"{folder} has no weights: neither {' nor '.join(TENSORS)}")


def _renamed(state, expected):
    """Return the state dict with the earlier names of attention replaced where the module has the later ones."""
    found = {}
    for name, tensor in state.items():
        later = name
        for old, new in RENAMED.items():
            later = later.replace(old, new)
        found[later if name not in expected and later in expected else name] = tensor
    return found

"""Folder that a diffusers class wrote by ``save_pretrained``: its configuration, class and tensors."""

import contextlib

import torch
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from fmdiag.checkpoints.fitting import fitted
from fmdiag.checkpoints.weight_files import chosen_file, tensors_of_file
from fmdiag.checkpoints.weights import check_weights
from fmdiag.errors import FmdiagError

TENSORS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
# Attention had other names before diffusers 0.15; folders of that time are still the ones most used.
RENAMED = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def class_of(config, folder):
    """Return the diffusers class that a configuration names."""
    import diffusers

    name = config.get("_class_name")
    if not isinstance(name, str) or not hasattr(diffusers, name):
        raise FmdiagError(f"{folder}/config.json names the class {name!r}, which this diffusers does not have: name "
                          "it by --model card.toml with family = \"module\" and factory = \"package:Class\"")
    return getattr(diffusers, name)


def read_module(cls, config, folder, file=None):
    """Return a module of diffusers' class `cls`, with exactly the weights of a folder or its `file`, in float32."""
    config = {k: v for k, v in config.items() if not k.startswith("_") or k == "_class_name"}
    file = file or chosen_file(folder, names=TENSORS)[0]
    if file is None:
        raise FmdiagError(f"{folder} has no weights: neither {' nor '.join(TENSORS)}")
    tensors = tensors_of_file(file)
    _check_unbuilt(cls, config, tensors, folder)
    module = cls.from_config(config)
    return fitted(module, _renamed(tensors, module.state_dict().keys()), folder)


def _check_unbuilt(cls, config, tensors, folder):
    """Compare names and shapes before memory is spent: a configuration of a few bytes can ask for any size."""
    try:
        with torch.device("meta"), _no_more_parts_than(len(tensors), folder):
            expected = {name: tuple(w.shape) for name, w in cls.from_config(config).state_dict().items()}
    except (NotImplementedError, RuntimeError):
        return  # a class that computes while it is built
    try:
        check_weights(expected, _renamed(tensors, expected))
    except FmdiagError as error:
        raise FmdiagError(f"{folder}: {error}") from error


@contextlib.contextmanager
def _no_more_parts_than(n_tensors, folder):
    """Refuse to go on building a module that has come to have far more parts than the file has tensors.

    Without memory for weights, too, a number of layers in a configuration may ask for years and for all memory.
    """
    counts = {"parameters": 0, "modules": 0}

    def count(kind, most):
        counts[kind] += 1
        if counts[kind] > most:
            raise FmdiagError(f"{folder}/config.json describes a network of more than {most} {kind}, its file has "
                              f"{n_tensors} tensors: copy both again from where they came")

    hooks = (register_module_parameter_registration_hook(lambda *names: count("parameters", 10 * n_tensors + 1000)),
             register_module_module_registration_hook(lambda *names: count("modules", 20 * n_tensors + 1000)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _renamed(state, expected):
    """Return the state dict with the earlier names of attention replaced where the module has the later ones."""
    found = {}
    for name, tensor in state.items():
        later = name
        for old, new in RENAMED.items():
            later = later.replace(old, new)
        found[later if name not in expected and later in expected else name] = tensor
    return found
